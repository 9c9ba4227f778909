"""What makes a server of the shop's the intranet's end: in two parts, for between them the VPS is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from uuid import uuid4

import psycopg
from pydantic import SecretStr

from db.engines import connect
from db.errors import PonteError
from db.migrate import History, is_current, migrate
from db.reasons import explained
from db.waiting import wait_until
from db.webhooks import read_webhook_secret
from publications.act.apply import apply, wait_for_copies
from publications.act.endpoints import Endpoints
from publications.install import services, ssh
from publications.install.access import Access
from publications.install.accounts import check_folder, check_python, make_accounts
from publications.install.bundle import NAME, Bundle, write_bundle
from publications.install.cluster import HOST, SERVICE, OwnCluster, find_bindir
from publications.install.given import (
    DECLARATION,
    PUSH_KEY,
    PUSH_SECRET,
    feeder_files,
    operators_files,
    operators_secrets,
    panel_files,
    push_files,
    push_secrets,
    vps_files,
    where_the_file_is,
    worker_files,
)
from publications.install.keys import pair_of
from publications.install.machine import OwnedFile, write_files
from publications.install.moving import Move
from publications.install.passwords import agree_on_passwords
from publications.install.shop import FILE
from publications.install.source import check_file, check_server
from publications.install.step import Step
from publications.push.receiver import Receiver
from publications.settings import PublicationsSettings, dsn_variable, read_settings

SERVICES = (SERVICE, ssh.SERVICE, "worker", "panel", "feeder", "push")
"""All that there may be."""
FEEDER, PUSH = "ponte-feeder.service", "ponte-push.service"
STARTED = ("ponte-worker.service", "ponte-panel.service", "ponte-reconcile.timer")
UNITS = (*STARTED, "ponte-reconcile.service")
FIND_S, POLL_S = 10, 0.2
PARAMETERS = {
    "wal_level": "logical",
    "max_wal_senders": "10",
    "max_replication_slots": "10",
    "max_active_replication_origins": "10",
    "max_logical_replication_workers": "8",
    "max_worker_processes": "16",
    "wal_retrieve_retry_interval": "1s",
    "shared_buffers": "64MB",
    "max_wal_size": "256MB",
    # Whoever may replicate may also make a slot: better one is lost than this disk is full and SGP's fills.
    "max_slot_wal_keep_size": "4GB",
}


@dataclass(frozen=True)
class Intranet:
    """The steps of one shop's intranet."""

    access: Access
    declaration_text: str
    copies_shown: Callable[[Endpoints], AbstractContextManager[None]]
    """Says, in a block, how far tables are copied."""

    def near(self) -> Iterator[Step]:
        """Yield what needs SGP and this machine alone, up to the archive for the VPS."""
        access, shop = self.access, self.access.shop
        machine, intake = shop.machine, access.declaration.intake
        yield from self._look_before_moving()
        yield write_files(
            f"answers and declaration in {machine.folder}",
            [
                OwnedFile(path=machine.folder / FILE, text=shop.write(), mode=0o600),
                OwnedFile(path=machine.folder / DECLARATION, text=self.declaration_text),
            ],
        )
        if not shop.is_fed:
            yield check_server(access)
        yield from make_accounts(machine, self._accounts())
        yield check_python(machine, "worker")
        if shop.sgp_file and shop.is_fed:
            yield from check_file(shop.sgp_file, machine)
        yield check_folder(machine, "worker", shop.media)
        yield write_files("secrets, connection strings and certificates", operators_files(access))
        yield from self.cluster().steps()
        if not shop.is_fed:
            yield write_files("the passfile by which the vitrine reaches SGP", [access.intake_passfile()])
        yield self._migrated(intake.target, History.INTRANET, self.cluster().dsn())
        if not shop.is_pushed:
            yield from ssh.reach_vps(shop, access.secrets)
        yield from self._install_services()
        yield write_bundle(self.bundle(), shop.wheel, machine.folder / NAME)

    def _look_before_moving(self) -> Iterator[Step]:
        """Compare before anything is changed, as long as the feeder is here: it goes on if it has to."""
        access, shop = self.access, self.access.shop
        if shop.has_moved and (shop.machine.units / FEEDER).exists():
            yield check_server(access)
            yield write_files("secrets by which SGP's PostgreSQL is reached", operators_secrets(access))
            yield from Move(access.declaration, self.settings).before()

    def far(self) -> Iterator[Step]:
        """Yield what needs the VPS, too."""
        target, is_pushed = self.access.export.target, self.access.shop.is_pushed
        if not is_pushed:
            yield self._migrated(target, History.VPS, self.access.administrator(target))
        if self.access.secrets.kept:
            for endpoint in self.access.declaration.endpoints:
                if not (is_pushed and endpoint == target):
                    yield agree_on_passwords(endpoint, self.settings())
        applied = Step("publications, subscriptions and roles (ponte apply)", self._is_applied, self._apply)
        if self.access.shop.has_moved:
            move = Move(self.access.declaration, self.settings)
            yield services.remove(FEEDER, self.access.shop.machine)
            yield move.part()
            yield applied
            yield move.after()
        else:
            yield applied
        for name in self._units(STARTED):
            yield services.start(name)

    def cluster(self) -> OwnCluster:
        """Return the vitrine's."""
        access, shop, name = self.access, self.access.shop, self.access.declaration.intake.target
        return OwnCluster(
            machine=shop.machine,
            bindir=find_bindir(shop.bindir),
            listen=HOST if shop.is_pushed else shop.listen,
            port=shop.vitrine_port,
            database=name,
            password=access.superuser(name),
            parameters=PARAMETERS,
            hba=access.vitrine_hba(),
            pair=pair_of(access.secrets, name, shop.intranet)
            if shop.export_speaks_tls and shop.intranet
            else None,
        )

    def bundle(self) -> Bundle:
        """Return what the VPS has to know."""
        access, shop, name = self.access, self.access.shop, self.access.export.target
        ingest = ("ponte-ingest.service",) if shop.storage == "vps" or shop.is_pushed else ()
        roles = [role.name for role in access.declaration.roles if role.on == name]
        return Bundle(
            machine=shop.vps_machine,
            bindir=shop.vps_bindir,
            database=name,
            port=shop.vps_port,
            password=access.superuser(name),
            files=tuple(vps_files(access)),
            services=("ponte-api.service", *ingest, "ponte-https.service"),
            declaration=self.declaration_text if shop.is_pushed else "",
            passwords={role: access.password(name, role) for role in roles} if shop.is_pushed else {},
        )

    def settings(self) -> PublicationsSettings:
        """Return what `ponte` itself reads."""
        environ = {"PONTE_SECRETS_DIR": str(self.access.secrets.folder)}
        return read_settings(self.access.declaration, environ | where_the_file_is(self.access.shop))

    def _units(self, units: Sequence[str]) -> Sequence[str]:
        shop = self.access.shop
        return (*units, *[FEEDER] * shop.is_fed, *[PUSH] * shop.is_pushed)

    def _accounts(self) -> list[str]:
        shop = self.access.shop
        needed = {"feeder": shop.is_fed, ssh.SERVICE: not shop.is_pushed, "push": shop.is_pushed}
        return [one for one in SERVICES if needed.get(one, True)]

    def _install_services(self) -> Iterator[Step]:
        access, machine = self.access, self.access.shop.machine
        own = {"worker": worker_files(access), "panel": panel_files(access)}
        if access.shop.is_fed:
            own["feeder"] = feeder_files(access)
        if access.shop.is_pushed:
            own["push"] = push_files(access)
        for name, files in own.items():
            again = services.restart([f"ponte-{name}.service"])
            yield write_files(f"settings and secrets of the {name}", files, after=again)
        units = (services.render_unit(name, machine) for name in self._units(UNITS))
        yield from services.install_units(units)

    def _migrated(self, name: str, history: History, dsn: str) -> Step:
        def do() -> None:
            with explained(name, dsn_variable(name)):
                migrate(history, dsn)

        return Step(f"tables of {name} (ponte migrate)", partial(_is_current, history, dsn), do)

    def _is_applied(self) -> bool:
        try:
            with Endpoints(self.access.declaration, self.settings()) as endpoints:
                return not endpoints.read().plan.steps
        except (PonteError, psycopg.Error):
            return False

    def _apply(self) -> None:
        with (
            Endpoints(self.access.declaration, self.settings()) as endpoints,
            self.copies_shown(endpoints),
        ):
            apply(endpoints, allow_drop=False, report=lambda _: None)
            wait_for_copies(endpoints)


def _is_current(history: History, dsn: str) -> bool:
    try:
        return is_current(history, dsn)
    except Exception:  # noqa: BLE001  # whatever it is, doing it says
        return False


def find_vps(access: Access) -> bool:
    """Tell whether the VPS's database lets the administrator in, through SSH; wait some seconds for it.

    Where rows are pushed: whether its ingest knows the key and the secret.
    """
    if access.shop.is_pushed:
        return wait_until(lambda: _takes_pushes(access), FIND_S, poll_s=POLL_S)
    if not services.is_active(ssh.UNIT) or not services.is_enabled(ssh.UNIT):
        services.start(ssh.UNIT).do()
    return wait_until(lambda: _answers(access), FIND_S, poll_s=POLL_S)


def _takes_pushes(access: Access) -> bool:
    told = push_secrets(access)
    secret = read_webhook_secret(SecretStr(told[PUSH_SECRET]))
    receiver = Receiver(access.shop.ingest_url, api_key=told[PUSH_KEY], secret=secret, answer_s=FIND_S)
    try:
        receiver.ask_position(uuid4().hex)
    except PonteError:
        return False
    finally:
        receiver.close()
    return True


def _answers(access: Access) -> bool:
    target = access.export.target
    try:
        connect(access.administrator(target)).close()
    except psycopg.Error:
        return False
    return True
