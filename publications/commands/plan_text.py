"""Plans as people and programs read them: text, JSON and SQL. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from db.errors import PonteError
from db.shown import dump_json
from publications.commands.step_words import action_of, describe, split_words
from publications.ddl.acts import print_act
from publications.ddl.to_sql import to_sql
from publications.decide.changes.step import Step
from publications.decide.plan import Plan


def to_text(plan: Plan, *, agrees: bool = True) -> str:
    """Return a line a step: endpoint, consequence, what. agrees: nothing was refused or found beside."""
    if not plan.steps:
        return "in sync: nothing to do" if agrees else "no step to take; see what was refused or found"
    lines = [f"{step.endpoint:<8} {step.consequence:<12} {describe(step)}" for step in plan.steps]
    return "\n".join([*lines, f"{len(plan.steps)} steps; run 'ponte apply' to take them"])


def to_json(plan: Plan, *, refusals: Sequence[PonteError] = (), findings: Sequence[PonteError] = ()) -> str:
    """Return one object.

    `in_sync`; `steps` of endpoint, action, consequence, drops, what, sql; `refusals` and `findings` of
    kind, fact and hint.
    """
    steps = [
        {
            "endpoint": step.endpoint,
            "action": action_of(step),
            "consequence": str(step.consequence),
            "drops": step.drops,
            "what": describe(step),
            "sql": statements(step),
        }
        for step in plan.steps
    ]
    shown = {
        "in_sync": not (plan.steps or refusals or findings),
        "steps": steps,
        "refusals": [_error(error) for error in refusals],
        "findings": [_error(error) for error in findings],
    }
    return dump_json(shown, indent=2)


def _error(error: PonteError) -> dict[str, str]:
    kind = split_words(type(error).__name__.removesuffix("Error"))
    return {"kind": kind, "fact": error.fact, "hint": error.hint}


def to_script(plan: Plan) -> str:
    """Return the SQL that apply would run, a psql script with a part for each run of one endpoint."""
    lines: list[str] = []
    endpoint = ""
    for step in plan.steps:
        if step.endpoint != endpoint:
            endpoint = step.endpoint
            lines.append(f"\n-- on {endpoint}")
        lines.append(f"-- {describe(step)} ({step.consequence})")
        lines += [one if one.startswith("\\") else f"{one};" for one in statements(step)]
    return "\n".join(lines).strip()


def statements(step: Step) -> list[str]:
    """Return as text what apply runs; a role's password is asked for by psql, never printed."""
    return [line for act in to_sql(step) for line in print_act(act, at=step.endpoint)]
