"""What `ponte` and each service are given: settings in the open, secrets each to who needs it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from db.sgp_file import VARIABLE as SGP_FILE
from publications.declare.declaration import VARIABLE
from publications.install import services
from publications.install.access import WATCH, WORKER, Access
from publications.install.keys import pair_of
from publications.install.machine import SECRET, Machine, OwnedFile
from publications.install.shop import Shop
from publications.install.ssh import let_in
from publications.settings import conninfo_variable, dsn_variable, password_variable, watch_variable

CREDENTIAL_KEY, INGEST_KEY = "PONTE_CREDENTIAL_KEY", "PONTE_INGEST_KEY"
PUSH_KEY, PUSH_SECRET = "PONTE_PUSH_API_KEY", "PONTE_PUSH_SECRET"
S3_KEY, S3_READER_KEY = "PONTE_WORKER_S3_SECRET_ACCESS_KEY", "PONTE_API_S3_SECRET_ACCESS_KEY"
DECLARATION = "sgp.toml"


def operators_files(access: Access) -> Iterator[OwnedFile]:
    """Yield what `ponte` reads beside what the installation made at random."""
    yield from operators_secrets(access)
    yield OwnedFile(path=access.shop.machine.folder / "ponte.sh", text=_environment(access.shop))


def operators_secrets(access: Access) -> Iterator[OwnedFile]:
    """Yield those of it that are secret."""
    secrets, declaration = access.secrets, access.declaration
    intake, export = declaration.intake, access.export
    for role in declaration.roles:
        if role.on not in declaration.endpoints:
            continue  # SGP's own, where it is a file
        yield secrets.file(password_variable(role.on, role.name), access.password(role.on, role.name))
    server = () if intake.is_fed else (dsn_variable(intake.source),)
    for taken in filter(secrets.find, (*server, S3_KEY, S3_READER_KEY)):
        yield secrets.file(taken, secrets.find(taken) or "")
    near = (intake.target,) if export.is_pushed else (intake.target, export.target)
    for endpoint in near:
        yield secrets.file(dsn_variable(endpoint), access.administrator(endpoint))
    if not intake.is_fed:
        yield secrets.file(conninfo_variable(intake.subscription), access.intake_conninfo())
    if not export.is_pushed:
        yield secrets.file(conninfo_variable(export.subscription), access.export_conninfo())
    for variable, dsn in watch_secrets(access).items():
        yield secrets.file(variable, dsn)


def _environment(shop: Shop) -> str:
    machine = shop.machine
    return (
        "# For whoever types ponte's commands, as root: . this file\n"
        f"export PATH={machine.venv}/bin:$PATH\n"
        f"export {VARIABLE}={machine.folder}/{DECLARATION}\n"
        f"export PONTE_SECRETS_DIR={machine.folder}/secrets\n"
    ) + "".join(f"export {name}={value}\n" for name, value in where_the_file_is(shop).items())


def where_the_file_is(shop: Shop) -> dict[str, str]:
    """Return the setting by which all find SGP's file; none where SGP is a server."""
    return {SGP_FILE: str(shop.sgp_file)} if shop.is_fed else {}


def watch_secrets(access: Access) -> dict[str, str]:
    """Return how the panel reaches each database; it knows what is pushed to by the push."""
    pushed = {push.target for push in access.declaration.pushes}
    return {
        watch_variable(name): access.from_intranet(name, WATCH, access.password(name, WATCH))
        for name in access.declaration.watched
        if name not in pushed
    }


def worker_files(access: Access) -> Iterator[OwnedFile]:
    """Yield the worker's."""
    shop, intake = access.shop, access.declaration.intake
    own = {
        f"PONTE_WORKER_{name}_DSN": access.from_intranet(name, WORKER, access.password(name, WORKER))
        for name in access.declaration.endpoints
        if name in (intake.source, intake.target)
    }
    own[CREDENTIAL_KEY] = access.secrets.once(CREDENTIAL_KEY)
    settings = {"PONTE_WORKER_MEDIA_ROOT": str(shop.media), "PONTE_WORKER_STORAGE": shop.storage}
    settings |= where_the_file_is(shop)
    if shop.storage == "vps":
        own[INGEST_KEY] = access.secrets.once(INGEST_KEY)
        settings["PONTE_WORKER_VPS_URL"] = shop.ingest_url
    else:
        own[S3_KEY] = access.secrets.find(S3_KEY) or ""
        settings |= {
            "PONTE_WORKER_S3_BUCKET": shop.s3_bucket,
            "PONTE_WORKER_S3_ENDPOINT_URL": shop.s3_endpoint_url,
            "PONTE_WORKER_S3_REGION": shop.s3_region,
            "PONTE_WORKER_S3_ACCESS_KEY_ID": shop.s3_access_key_id,
        }
    yield services.settings_of("worker", shop.machine, settings)
    yield from _secret_files(shop.machine, "worker", "worker", own)


def feeder_files(access: Access) -> Iterator[OwnedFile]:
    """Yield the feeder's."""
    machine = access.shop.machine
    settings = {VARIABLE: str(machine.folder / DECLARATION), **where_the_file_is(access.shop)}
    yield services.settings_of("feeder", machine, settings)
    yield from _secret_files(machine, "feeder", "feeder", {"PONTE_FEEDER_VITRINE_DSN": access.feeder()})


def push_secrets(access: Access) -> dict[str, str]:
    """Return what both ends of the push show each other, made once."""
    return {
        PUSH_KEY: access.secrets.once(PUSH_KEY),
        PUSH_SECRET: access.secrets.once_webhook(PUSH_SECRET),
    }


def push_files(access: Access) -> Iterator[OwnedFile]:
    """Yield the push's."""
    machine = access.shop.machine
    settings = {VARIABLE: str(machine.folder / DECLARATION), "PONTE_PUSH_URL": access.shop.ingest_url}
    yield services.settings_of("push", machine, settings)
    own = {**push_secrets(access), "PONTE_PUSH_VITRINE_DSN": access.pusher()}
    yield from _secret_files(machine, "push", "push", own)


def panel_files(access: Access) -> Iterator[OwnedFile]:
    """Yield the panel's."""
    shop = access.shop
    settings = {
        "PONTE_PANEL_HOST": shop.panel_host,
        "PONTE_PANEL_PORT": str(shop.panel_port),
        "PONTE_PANEL_DISK": str(shop.machine.data),
    }
    yield services.settings_of("panel", shop.machine, settings)
    yield from _secret_files(shop.machine, "watch", "panel", watch_secrets(access))


def vps_files(access: Access) -> Iterator[OwnedFile]:
    """Yield what services on the VPS and its database's server read."""
    shop, machine = access.shop, access.shop.vps_machine
    secrets, source = access.secrets, access.export.source
    api = {
        "PONTE_API_DSN": access.on_vps("ponte_api"),
        "PONTE_API_AUTH_DSN": access.on_vps("ponte_auth"),
        **{
            name: secrets.once(name)
            for name in ("PONTE_API_TOKEN_KEY", "PONTE_API_MEDIA_KEY", CREDENTIAL_KEY)
        },
    }
    if shop.storage == "s3":
        api[S3_READER_KEY] = secrets.find(S3_READER_KEY) or ""
    if not shop.is_pushed:
        yield access.export_passfile()
        yield let_in(shop, secrets)
    if shop.export_speaks_tls and shop.intranet:
        certificate = pair_of(secrets, source, shop.intranet).certificate
        yield OwnedFile(path=machine.certificate(source), text=certificate)
    yield services.settings_of("api", machine, {**services.small_settings(), **_api_settings(access)})
    yield from _secret_files(machine, "api", "api", api)
    if shop.storage == "vps" or shop.is_pushed:
        yield from _ingest_files(access)
    yield OwnedFile(path=machine.folder / "Caddyfile", text=_caddyfile(access))


def _ingest_files(access: Access) -> Iterator[OwnedFile]:
    shop, machine = access.shop, access.shop.vps_machine
    settings = {
        "PONTE_INGEST_HOST": "127.0.0.1" if shop.is_behind_caddy else str(shop.vps),
        "PONTE_INGEST_PORT": str(shop.ingest_port),
    }
    own: dict[str, str] = {}
    if shop.storage == "vps":
        settings["PONTE_INGEST_MEDIA_DIR"] = str(machine.miniaturas)
        own[INGEST_KEY] = access.secrets.once(INGEST_KEY)
    if shop.is_pushed:
        own |= {**push_secrets(access), "PONTE_INGEST_DSN": access.on_vps("ponte_push")}
    yield services.settings_of("ingest", machine, settings)
    yield from _secret_files(machine, "ingest", "ingest", own)


def _api_settings(access: Access) -> dict[str, str]:
    shop = access.shop
    settings = {
        "PONTE_API_PUBLIC_URL": shop.public_url,
        "PONTE_API_PORT": str(shop.api_port),
        "PONTE_API_PROXIES": "127.0.0.1",  # Caddy's
    }
    if shop.storage == "vps":
        return {**settings, "PONTE_API_MEDIA_DIR": str(shop.vps_machine.miniaturas)}
    return {
        **settings,
        "PONTE_API_S3_BUCKET_URL": f"{shop.s3_endpoint_url}/{shop.s3_bucket}",
        "PONTE_API_S3_REGION": shop.s3_region,
        "PONTE_API_S3_ACCESS_KEY_ID": shop.s3_reader_key_id,
    }


def _caddyfile(access: Access) -> str:
    """Have Caddy get a certificate by itself; on another port than 443 nothing is redirected from 80."""
    elsewhere = "    auto_https disable_redirects\n" if ":" in access.shop.site else ""
    return (
        f"{{\n    admin off\n    skip_install_trust\n{elsewhere}}}\n\n"
        f"{access.shop.public_url} {{\n{_pushed_routes(access.shop)}"
        f"    reverse_proxy 127.0.0.1:{access.shop.api_port}\n}}\n"
    )


def _pushed_routes(shop: Shop) -> str:
    """Without a tunnel what is signed comes by the public name: what is pushed, and uploads of miniaturas."""
    if not shop.is_behind_caddy:
        return ""
    ingest = f"127.0.0.1:{shop.ingest_port}"
    return (
        "    @sync path /internal/sync/* /miniaturas\n"
        "    @uploads {\n        method PUT DELETE\n        path /miniaturas/*\n    }\n"
        f"    reverse_proxy @sync {ingest}\n    reverse_proxy @uploads {ingest}\n"
    )


def _secret_files(
    machine: Machine, folder: str, service: str, secrets: Mapping[str, str]
) -> Iterator[OwnedFile]:
    for variable, value in secrets.items():
        yield OwnedFile(
            path=machine.folder / folder / variable.lower(),
            text=value + "\n",
            account=machine.account(service),
            mode=SECRET,
        )
