"""The push's loop: send what is new; whatever fails is told and tried again."""

from __future__ import annotations

import logging
import signal
import time
from threading import Event

import psycopg

from db.backoff import choose_pause_s
from db.errors import PonteError
from db.logs import log_event
from db.outage import Outage
from db.reasons import explain
from db.unreached import explain_failure
from publications.push.receiver import OverfullError, PushError, PushFault
from publications.push.sender import FIRST_PAUSE_S, LONGEST_PAUSE_S, Sender, log
from publications.push.settings import PushSettings

VARIABLE = "PONTE_PUSH_VITRINE_DSN"
OVERFULL_PAUSE_S = 3600.0
"""What is too much is so again at once; and each try sends all of it."""


def run_service(sender: Sender, settings: PushSettings) -> None:
    """Push until a signal asks to stop."""
    outage, stop = Outage(), Event()
    for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.default_int_handler)
    log_event(log, "push_started")
    try:
        while True:
            _rest(stop, try_step(sender, settings, outage))  # which waits for something new
    except KeyboardInterrupt:
        log_event(log, "push_stopped")
    finally:
        sender.close()


def push_once(sender: Sender, settings: PushSettings) -> None:
    """Send what there is now. Raise PonteError."""
    try:
        while sender.step():
            pass
    except Exception as error:
        raise explain_push(error, settings) from error
    finally:
        sender.close()


def _rest(stop: Event, pause_s: float) -> None:
    """Wait in pieces: Windows hears no signal within one."""
    ends_at = time.monotonic() + pause_s
    while (left_s := ends_at - time.monotonic()) > 0:
        stop.wait(min(left_s, LONGEST_PAUSE_S))


def try_step(sender: Sender, settings: PushSettings, outage: Outage) -> float:
    """Step once and return how long to rest; what fails again and again is logged at growing distance."""
    try:
        n_changes = sender.step()
    except Exception as error:  # noqa: BLE001  # a push that meets a bug must not end
        _give_up(sender, explain_push(error, settings), outage)
        if isinstance(error, OverfullError):
            return OVERFULL_PAUSE_S
        return choose_pause_s(outage.failures, first_s=FIRST_PAUSE_S, longest_s=LONGEST_PAUSE_S)
    lasted_s = outage.works() if n_changes else None  # where nothing was due nothing is proven
    if lasted_s is not None:
        log_event(log, "push_recovered", after_s=round(lasted_s, 1))
    return 0.0


def explain_push(error: Exception, settings: PushSettings) -> PonteError:
    """Say what a failure means."""
    if not isinstance(error, psycopg.Error):
        return explain(error)
    return explain_failure(error, settings.vitrine_dsn.get_secret_value(), name="vitrine", source=VARIABLE)


def _give_up(sender: Sender, told: PonteError, outage: Outage) -> None:
    kind = told.kind if isinstance(told, PushError) else PushFault.STOPPED
    if outage.fails((type(told), told.fact)):
        log_event(log, "push_failed", level=logging.ERROR, kind=kind, fact=told.fact, hint=told.hint)
    try:
        sender.tell_fault(kind, told.fact, told.hint)
    except psycopg.Error:
        sender.forget()
    if not isinstance(told, PushError) or told.kind is PushFault.CHANGED:
        sender.forget()
