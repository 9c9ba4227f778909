"""What the panel says, for people who know the shop and not PostgreSQL. Pure."""

from __future__ import annotations

from db.freshness import Cause, Fault, FreshnessState, HopState, Measurement
from db.motivo import Motivo
from publications.panel.causes import CAUSES, DETAILS, LOSSES
from publications.watch.checks import Check, CheckKind
from publications.watch.hops import HopView

WORDS = {
    FreshnessState.FRESH: "Atenção",
    FreshnessState.LAGGING: "ATRASADA",
    FreshnessState.SILENT: "SEM NOTÍCIAS",
}
"""The word for a state about which something is known; fresh and nothing against it is OK."""
HOPS = {
    HopState.RUNNING: "passando",
    HopState.LOST: "fila perdida",
    HopState.CUT: "ligação muda",
    HopState.STOPPED: "parado",
    HopState.UNKNOWN: "sem resposta",
}
MOTIVOS: dict[str, str] = {
    Motivo.ARQUIVO_AUSENTE: "o arquivo não existe",
    Motivo.VAZIO: "o arquivo está vazio",
    Motivo.NAO_E_IMAGEM: "o arquivo não é uma imagem",
    Motivo.TRUNCADA: "a imagem está cortada",
    Motivo.GRANDE_DEMAIS: "o arquivo é grande demais",
    Motivo.PIXELS_DEMAIS: "a imagem tem pontos demais",
    Motivo.CAMINHO_INVALIDO: "o caminho sai da pasta de imagens",
    Motivo.TEMPO_ESGOTADO: "a imagem demorou demais para ser reduzida",
    Motivo.DECODIFICADOR_CAIU: "a imagem derruba quem a lê",
    Motivo.RECUSADA: "o armazenamento não aceita a miniatura",
}
OBSTACLES = {
    "media_root": "a pasta das fotos não está ao alcance",
    "storage": "o armazenamento não responde",
    "render_died": "o programa que as reduz não fica de pé",
    "PermissionError": "os arquivos não se deixam ler",
}
"""What stands in the way of all photos; other errors have their own names."""
SENTENCES = {
    CheckKind.LOST_ROWS: "{count} linhas de {subject} em {target} faltam ou não valem mais (visto: {since})",
    CheckKind.COMPARED: "Conferido {idade}: {count} diferenças",
    CheckKind.SLOT_LEFT: "A fila {subject} se perde em {hours} h ({setting})",
    CheckKind.DISK_LEFT: "No ritmo atual o disco de {subject} enche em {hours} h",
    CheckKind.ROOM: "{subject} usa {used} de {limit} ({thing}): perto do limite",
    CheckKind.SLOT_UNDECLARED: (
        "Fila {subject} em {endpoint}, que ninguém declarou, guarda {megabytes} MB. Chame o suporte"
    ),
    CheckKind.LOGINS: "Sem contato com a loja, entra-se pelo celular por mais {hours} h (limite: {limit} h)",
    CheckKind.LOGINS_REFUSED: "Ninguém mais entra pelo celular: há mais de {limit} h sem contato com a loja",
    CheckKind.CREDENTIAL_KEY: (
        "Ninguém entra pelo celular: a chave das senhas em {subject} não é a da loja. Chame o suporte"
    ),
    CheckKind.RELAYED: "A ligação com {subject} passa por um intermediário ({relay}): funciona, mais devagar",
    CheckKind.KEY_LEFT: "A chave de {subject} na rede Tailscale vence em {days} dia(s)",
    CheckKind.KEY_EXPIRED: "A chave de {subject} na rede Tailscale venceu: nada passa até renovar",
    CheckKind.DEAD_LETTERS: "{count} registros do SGP que não puderam ser lidos",
    CheckKind.UNREAD_VALUES: "{count} registros do SGP com valores que não puderam ser lidos",
    CheckKind.UNSYNCED: "{count} pessoas precisam trocar a senha no SGP para entrar pelo celular",
    CheckKind.CREDENCIAIS_PENDING: "{count} pessoas ativas ainda não podem entrar pelo celular",
    CheckKind.MINIATURAS_PENDING: "{count} fotos esperam para ser reduzidas",
    CheckKind.MINIATURAS_REFUSED: "{count} fotos sem miniatura: {motivo}",
    CheckKind.FILES_MISSING: (
        "As últimas {count} fotos não têm arquivo: a pasta das fotos deve ser outra. Chame o suporte"
    ),
    CheckKind.MINIATURAS_STOPPED: (
        "{count} fotos esperam e nenhuma é reduzida desde {since}: {motivo}. Chame o suporte"
    ),
}
SENTENCES_FOR_ONE = {
    CheckKind.LOST_ROWS: "1 linha de {subject} em {target} falta ou não vale mais (visto: {since})",
    CheckKind.COMPARED: "Conferido {idade}: 1 diferença",
    CheckKind.DEAD_LETTERS: "1 registro do SGP que não pôde ser lido",
    CheckKind.UNREAD_VALUES: "1 registro do SGP com um valor que não pôde ser lido",
    CheckKind.UNSYNCED: "1 pessoa precisa trocar a senha no SGP para entrar pelo celular",
    CheckKind.CREDENCIAIS_PENDING: "1 pessoa ativa ainda não pode entrar pelo celular",
    CheckKind.MINIATURAS_PENDING: "1 foto espera para ser reduzida",
    CheckKind.MINIATURAS_REFUSED: "1 foto sem miniatura: {motivo}",
    CheckKind.MINIATURAS_STOPPED: (
        "1 foto espera e nenhuma é reduzida desde {since}: {motivo}. Chame o suporte"
    ),
}
NOT_COMPARED = "As linhas ainda não foram todas conferidas"
WAITING = frozenset({CheckKind.MINIATURAS_PENDING, CheckKind.CREDENCIAIS_PENDING})
NOTES = frozenset({CheckKind.RELAYED, CheckKind.KEY_LEFT})
"""While they are no alarm they are said with the road."""
FORECASTS = frozenset({CheckKind.SLOT_LEFT, CheckKind.DISK_LEFT})
"""They are news once they are bad."""
OF_A_ROAD = frozenset({CheckKind.LOGINS, CheckKind.COMPARED})
"""They stand with its road, unless they are alarms."""
BEAT_S = 3.0
"""A hop is behind by up to a beat simply because of when it was looked at."""


def say_headline(measured: Measurement) -> tuple[str, str]:
    """Return the page's first line in two halves."""
    word = "OK" if measured.is_ok else WORDS[measured.state]
    return f"Sincronização: {word}", f"Último Sync: {say_age(measured.freshness.age_seconds)}"


def say_causes(measured: Measurement) -> tuple[tuple[str, str], ...]:
    """Return for each cause what it means, with what is known of it, and what to do."""
    found = []
    for cause in measured.causes:
        why, advice = CAUSES[cause]
        faults = [_say_fault(fault) for fault in measured.faults if fault.cause is cause]
        known = "; ".join(dict.fromkeys(fault for fault in faults if fault))
        found.append((f"{why.removesuffix('.')} ({known})." if known else why, advice))
    return tuple(found)


def _say_fault(fault: Fault) -> str:
    """Return where it is and what is known of it, such as `vps, processo 123`."""
    values = {**fault.values, "reason": LOSSES.get(fault.values.get("reason", ""), "")}
    detail = DETAILS.get(fault.cause, "").format(**values)
    return ", ".join(part for part in (fault.endpoint, detail) if part)


def say_turn(state: FreshnessState, cause: Cause | None) -> str:
    """Say in one line what changed: the word, and the first sentence of why."""
    if state is FreshnessState.FRESH and cause is None:
        return "Tudo em ordem"
    why = CAUSES[cause or Cause.UNKNOWN][0].split(". ")[0].rstrip(".")
    return f"{WORDS[state].capitalize()}: {why[0].lower()}{why[1:]}"


def say_age(seconds: float | None) -> str:
    """Return such as `há 2 min`."""
    return "não se sabe" if seconds is None else f"há {say_duration(seconds)}"


def say_duration(seconds: float) -> str:
    """Return a length of time in its largest unit, rounded down: it must not sound newer than it is."""
    for unit_s, name in ((86400, "dia"), (3600, "h"), (60, "min")):
        if seconds >= unit_s:
            count = int(seconds // unit_s)
            return f"{count} {name}{'s' if name == 'dia' and count > 1 else ''}"
    return f"{int(seconds)} s"


def say_size(n_bytes: int | None) -> str:
    """Return such as `12 MB`, with a decimal comma."""
    if n_bytes is None:
        return "não se sabe"
    size = float(n_bytes)
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:  # noqa: PLR2004
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB".replace(".", ",")


def say_hop(hop: HopView) -> str:
    """Say in a few words how one hop does."""
    behind = "" if hop.behind_s is None or hop.behind_s < BEAT_S else f", {say_duration(hop.behind_s)} atrás"
    return HOPS[hop.state] + behind


def say_check(check: Check) -> str:
    """Return one sentence about anything but a road."""
    values = {name: _say_value(value) for name, value in check.values.items()}
    motivo = (MOTIVOS | OBSTACLES).get(check.subject, check.subject.replace("_", " "))
    sentences = SENTENCES_FOR_ONE if check.values.get("count") == 1 else SENTENCES
    seconds = check.values.get("seconds")
    age = say_age(seconds if isinstance(seconds, float) else None)
    return sentences[check.kind].format(subject=check.subject, motivo=motivo, idade=age, **values)


def _say_value(value: float | str | None) -> str:
    return f"{value:.1f}".replace(".", ",") if isinstance(value, float) else str(value)
