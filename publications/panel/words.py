"""What the panel says, for people who know the shop and not PostgreSQL. Pure."""

from __future__ import annotations

from db.contract import Motivo
from db.freshness import Cause, FreshnessState, HopState, Measurement
from publications.watch.checks import Check, CheckKind
from publications.watch.hops import HopView

WORDS = {
    FreshnessState.FRESH: "Atenção",
    FreshnessState.LAGGING: "ATRASADA",
    FreshnessState.SILENT: "SEM NOTÍCIAS",
}
"""The word for a state about which something is known; fresh and nothing against it is OK."""

CAUSES: dict[Cause, tuple[str, str]] = {
    Cause.POLL_DIED: (
        "O painel parou de medir: o que está abaixo é velho.",
        "Reinicie o serviço do painel (ponte panel) no servidor da loja.",
    ),
    Cause.WINDOW_DOWN: (
        "O banco da vitrine, no servidor da loja, não responde.",
        "Inicie o PostgreSQL da vitrine.",
    ),
    Cause.SLOT_LOST: (
        "A fila de mudanças foi perdida: a cópia precisa ser refeita.",
        "Chame o suporte: é preciso refazer a assinatura e rodar 'ponte apply'.",
    ),
    Cause.CHANGES_LOST: (
        "Mudanças se perderam no caminho: alguns pedidos que os clientes veem podem estar errados.",
        "Chame o suporte: 'ponte apply' copia tudo de novo, sem interromper ninguém.",
    ),
    Cause.LINK_DOWN: (
        "A ligação entre a loja e a VPS caiu. As mudanças esperam aqui e seguem sozinhas quando ela voltar.",
        "Veja se a internet da loja funciona; depois, o Tailscale e a VPS.",
    ),
    Cause.APPLY_STOPPED: (
        "As mudanças chegam, mas não estão sendo gravadas.",
        "Chame o suporte: 'ponte lag' mostra em qual trecho.",
    ),
    Cause.SGP_DOWN: ("O banco de dados do SGP não responde.", "Inicie o PostgreSQL do SGP."),
    Cause.INTAKE_CUT: (
        "A vitrine não consegue se conectar ao banco de dados do SGP, no mesmo servidor.",
        "Chame o suporte: o registro do PostgreSQL da vitrine diz por quê.",
    ),
    Cause.WORKER_DEAD: (
        "O serviço da ponte na loja está parado.",
        "Inicie o serviço thumbnail_worker no servidor da loja.",
    ),
    Cause.SGP_IDLE: (
        "O SGP não aceita gravações: o serviço da ponte tenta e não consegue.",
        "Veja se o disco do SGP encheu ou se alguma tarefa trava o banco.",
    ),
    Cause.FEEDER_DEAD: (
        "O serviço que lê o arquivo do SGP está parado.",
        "Inicie o serviço publications.feeder no servidor da loja.",
    ),
    Cause.FEEDER_STOPPED: (
        "O que o SGP grava não está chegando à vitrine.",
        "Chame o suporte: 'ponte status' diz por quê.",
    ),
    Cause.CLOCK_SKEWED: (
        "Os relógios da loja e da VPS estão diferentes: a idade dos dados não é confiável.",
        "Acerte o relógio dos dois servidores pela internet (NTP).",
    ),
    Cause.DRIFTED: (
        "Alguém mudou o que é publicado ou assinado: mudanças podem se perder.",
        "Chame o suporte: rode 'ponte plan'.",
    ),
    Cause.BEAT_LOST: (
        "As mudanças passam, mas o sinal que mede a idade dos dados se perdeu.",
        "Chame o suporte: é preciso copiar de novo a tabela heartbeat ('ponte status' diz como).",
    ),
    Cause.COPYING: ("Tabelas estão sendo copiadas pela primeira vez.", "Aguarde o fim da cópia."),
    Cause.CATCHING_UP: ("Tudo funciona e está recuperando o atraso.", "Aguarde."),
    Cause.UNKNOWN: ("Não se sabe por quê.", "Chame o suporte: rode 'ponte status'."),
}
"""What each cause means, and what to do."""

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
SENTENCES = {
    CheckKind.LOST_ROWS: "{count} linhas de {subject} em {target} faltam ou não valem mais (visto: {since})",
    CheckKind.SLOT_LEFT: "No ritmo atual a fila {subject} se perde em {hours} h",
    CheckKind.DISK_LEFT: "No ritmo atual o disco de {subject} enche em {hours} h",
    CheckKind.ROOM: "{subject} usa {used} de {limit} ({thing}): perto do limite",
    CheckKind.LOGINS: "Sem contato com a loja, entra-se pelo celular por mais {hours} h (limite: {limit} h)",
    CheckKind.LOGINS_REFUSED: "Ninguém mais entra pelo celular: há mais de {limit} h sem contato com a loja",
    CheckKind.DEAD_LETTERS: "{count} registros do SGP que não puderam ser lidos",
    CheckKind.UNREAD_VALUES: "{count} registros do SGP com valores que não puderam ser lidos",
    CheckKind.UNSYNCED: "{count} pessoas precisam trocar a senha no SGP para entrar pelo celular",
    CheckKind.CREDENCIAIS_PENDING: "{count} pessoas ativas ainda não podem entrar pelo celular",
    CheckKind.MINIATURAS_PENDING: "{count} fotos esperam para ser reduzidas",
    CheckKind.MINIATURAS_REFUSED: "{count} fotos sem miniatura: {motivo}",
}
SENTENCES_FOR_ONE = {
    CheckKind.LOST_ROWS: "1 linha de {subject} em {target} falta ou não vale mais (visto: {since})",
    CheckKind.DEAD_LETTERS: "1 registro do SGP que não pôde ser lido",
    CheckKind.UNREAD_VALUES: "1 registro do SGP com um valor que não pôde ser lido",
    CheckKind.UNSYNCED: "1 pessoa precisa trocar a senha no SGP para entrar pelo celular",
    CheckKind.CREDENCIAIS_PENDING: "1 pessoa ativa ainda não pode entrar pelo celular",
    CheckKind.MINIATURAS_PENDING: "1 foto espera para ser reduzida",
    CheckKind.MINIATURAS_REFUSED: "1 foto sem miniatura: {motivo}",
}
WAITING = frozenset({CheckKind.MINIATURAS_PENDING, CheckKind.CREDENCIAIS_PENDING})
FORECASTS = frozenset({CheckKind.SLOT_LEFT, CheckKind.DISK_LEFT})
"""They are news once they are bad."""


BEAT_S = 3.0
"""A hop is behind by up to a beat simply because of when it was looked at."""


def say_headline(measured: Measurement) -> tuple[str, str]:
    """Return the page's first line in two halves."""
    word = "OK" if measured.is_ok else WORDS[measured.state]
    return f"Sincronização: {word}", f"Último Sync: {say_age(measured.freshness.age_seconds)}"


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
    motivo = MOTIVOS.get(check.subject, check.subject.replace("_", " "))
    sentences = SENTENCES_FOR_ONE if check.values.get("count") == 1 else SENTENCES
    return sentences[check.kind].format(subject=check.subject, motivo=motivo, **values)


def _say_value(value: float | str | None) -> str:
    return f"{value:.1f}".replace(".", ",") if isinstance(value, float) else str(value)
