"""What each of the stack's processes is given to read: its secrets, its ways to the databases."""

from __future__ import annotations

from collections.abc import Mapping

from infra.devstack.clusters import Cluster
from infra.devstack.layout import StackSettings
from infra.devstack.postgres import find_server_user
from infra.devstack.pushing import word_declaration, write_push_secrets
from infra.devstack.secrets import keep, keep_conninfo, keep_dsn, make_passwords, once, service_dsn
from infra.devstack.seed import DEMO_JWT_SECRET
from publications.declare.declaration import Declaration
from publications.settings import watch_variable


def write_secrets(settings: StackSettings, declaration: Declaration, clusters: Mapping[str, Cluster]) -> None:
    """Write them; those that are there stay."""
    ports, folders = settings.ports, settings.folders
    carried = declaration.active_exports[0]
    if carried.is_pushed:
        settings.declaration_file.write_text(word_declaration("push"), encoding="utf-8")
    make_passwords(folders, declaration)
    for name, cluster in clusters.items():
        keep_dsn(folders, name, cluster.conninfo(name))
    user = find_server_user()
    keep_conninfo(folders, declaration.intake, port=ports.sgp, dbname="sgp", user=user)
    for export in declaration.exports:
        keep_conninfo(folders, export, port=ports.link, dbname="vitrine", user=user)
    credential_key = once(folders.operator, "PONTE_CREDENTIAL_KEY")
    for folder in (folders.api, folders.worker):
        keep(folder, "PONTE_CREDENTIAL_KEY", credential_key)
    for variable in ("PONTE_API_TOKEN_KEY", "PONTE_API_MEDIA_KEY"):
        once(folders.api, variable)
    keep(folders.api, "PONTE_API_DSN", service_dsn(folders, "vps", "ponte_api", port=ports.vps))
    keep(folders.api, "PONTE_API_AUTH_DSN", service_dsn(folders, "vps", "ponte_auth", port=ports.vps))
    keep(folders.api, "PONTE_API_SGP_TOKEN_KEY", DEMO_JWT_SECRET)
    worker_dsns = {"sgp": ports.sgp, "vitrine": ports.vitrine}
    for name, port in worker_dsns.items():
        dsn = service_dsn(folders, name, "ponte_worker", port=port)
        keep(folders.worker, f"PONTE_WORKER_{name}_DSN", dsn)
    for name, port in {**worker_dsns, "vps": ports.back}.items():
        keep(folders.watch, watch_variable(name), service_dsn(folders, name, "ponte_watch", port=port))
    write_push_secrets(folders, carried, vitrine=ports.vitrine, vps=ports.vps)
