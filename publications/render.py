"""Plans as people and programs read them: text, JSON and SQL. Pure."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable

from publications.changes import Change, CreateRole
from publications.ddl import to_sql
from publications.plan import Plan
from publications.spec import GrantSpec, SubscriptionSpec


def describe(change: Change) -> str:
    """Say in one line what a step does, such as `create publication pub_vps_pedidos`."""
    verb = _words(type(change).__name__)
    return f"{verb} {_subject(change)}"


def _words(name: str) -> str:
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip()


def _subject(change: Change) -> str:
    for field in dataclasses.fields(change)[1:]:
        value = getattr(change, field.name)
        if field.name == "grants":
            return _describe_grants(value)
        return str(getattr(value, "name", None) or getattr(value, "table", value))
    return ""


def _describe_grants(grants: tuple[GrantSpec, ...]) -> str:
    first = grants[0]
    columns = f" ({', '.join(grant.column for grant in grants)})" if first.column else ""
    return f"{first.privilege}{columns} on {first.kind} {first.target} for {first.role}"


def to_text(plan: Plan) -> str:
    """Return a line a step: endpoint, consequence, what."""
    if not plan.steps:
        return "in sync: nothing to do"
    lines = [f"{step.endpoint:<8} {step.consequence:<12} {describe(step)}" for step in plan.steps]
    return "\n".join([*lines, f"{len(plan.steps)} steps; run 'ponte apply' to take them"])


def to_json(plan: Plan) -> str:
    """Return one object: `in_sync` and `steps` of endpoint, action, consequence, drops, what, sql."""
    steps = [
        {
            "endpoint": step.endpoint,
            "action": _words(type(step).__name__),
            "consequence": str(step.consequence),
            "drops": step.drops,
            "what": describe(step),
            "sql": statements(step),
        }
        for step in plan.steps
    ]
    return json.dumps({"in_sync": not plan.steps, "steps": steps}, indent=2, ensure_ascii=False)


def to_script(plan: Plan) -> str:
    """Return the SQL that apply would run, a psql script with a part for each run of one endpoint."""
    lines: list[str] = []
    endpoint = ""
    for step in plan.steps:
        if step.endpoint != endpoint:
            endpoint = step.endpoint
            lines.append(f"\n-- on {endpoint}")
        lines.append(f"-- {describe(step)} ({step.consequence})")
        lines += [f"{statement};" for statement in statements(step)]
    return "\n".join(lines).strip()


def statements(step: Change) -> list[str]:
    """Return the step's SQL as text; a role's password is asked for by psql, never printed."""
    printed = [statement.as_string() for statement in to_sql(step)]
    if isinstance(step, CreateRole):
        printed.append(f"\\password {step.role.name}")
    return printed


def subscription_target(subscription: SubscriptionSpec) -> str:
    """Say where a subscription connects to, without secrets."""
    shown: Iterable[str] = (
        f"{key}={value}" for key, value in sorted(subscription.conninfo) if key in {"host", "port", "dbname"}
    )
    return " ".join(shown)
