"""What the panel says, for people who know the shop and not PostgreSQL. Pure."""

from __future__ import annotations

from db.contract import Motivo
from db.freshness import Cause, Fault, FreshnessState, HopState, Measurement
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
        "A loja não alcança a VPS. As mudanças esperam aqui e seguem sozinhas quando ela voltar.",
        "Veja se a internet da loja funciona; depois, o Tailscale e a VPS.",
    ),
    Cause.VPS_DOWN: (
        "A VPS responde, mas o PostgreSQL dela está parado.",
        "Chame o suporte: é preciso iniciar o PostgreSQL da VPS.",
    ),
    Cause.SERVER_STARTING: (
        "Um banco de dados está iniciando ou parando.",
        "Aguarde um momento; se continuar, chame o suporte.",
    ),
    Cause.DATABASE_MISSING: (
        "Um banco de dados não existe ou foi fechado.",
        "Chame o suporte: é preciso restaurar o banco ou corrigir o nome dele.",
    ),
    Cause.WATCH_REFUSED: (
        "Um servidor responde, mas não deixa o painel entrar.",
        "Chame o suporte: é preciso corrigir a senha ou a permissão do painel.",
    ),
    Cause.SERVER_FULL: (
        "Um banco de dados não tem mais conexões livres para o painel.",
        "Chame o suporte: há sessões demais nesse servidor.",
    ),
    Cause.SUBSCRIPTION_MISSING: (
        "Uma assinatura não existe: nada passa por esse trecho.",
        "Chame o suporte: rode 'ponte plan' e depois 'ponte apply'.",
    ),
    Cause.SUBSCRIPTION_DISABLED: (
        "Uma assinatura foi desligada: as mudanças esperam.",
        "Chame o suporte: 'ponte apply' a religa.",
    ),
    Cause.WORKERS_SHORT: (
        "Um servidor não pode iniciar o processo que recebe as mudanças.",
        "Chame o suporte: é preciso aumentar max_worker_processes e reiniciar esse servidor.",
    ),
    Cause.NOTIFY_FULL: (
        "A fila de avisos de um servidor está cheia: nada é gravado ali.",
        "Chame o suporte: é preciso encerrar a sessão que a segura.",
    ),
    Cause.KEY_MISSING: (
        "Uma tabela está sem a chave de que a cópia precisa.",
        "Chame o suporte: 'ponte plan' diz qual e como repor.",
    ),
    Cause.APPLY_BLOCKED: (
        "As mudanças chegam, mas esperam por uma trava.",
        "Chame o suporte: alguém segura uma tabela há tempo demais.",
    ),
    Cause.SLOT_TAKEN: (
        "Outro servidor está lendo a fila de mudanças.",
        "Chame o suporte: é provável que uma cópia da VPS esteja ligada.",
    ),
    Cause.APPLY_FAILING: (
        "As mudanças chegam, mas a gravação falha sempre com o mesmo erro.",
        "Chame o suporte: rode 'ponte plan'.",
    ),
    Cause.EXPORT_CUT: (
        "A VPS responde, mas não consegue se conectar à vitrine, na loja.",
        "Chame o suporte: na VPS, veja o Tailscale e o registro do PostgreSQL.",
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
    Cause.WORKER_SHUT_OUT: (
        "O serviço da ponte funciona, mas não consegue entrar no banco do SGP.",
        "Chame o suporte: o registro do thumbnail_worker diz por quê.",
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

DETAILS: dict[Cause, str] = {
    Cause.SLOT_LOST: "{slot}: {reason}",
    Cause.SUBSCRIPTION_DISABLED: "{subscription}",
    Cause.WORKERS_SHORT: "{setting}",
    Cause.NOTIFY_FULL: "processo {pid}",
    Cause.KEY_MISSING: "{table}",
    Cause.APPLY_BLOCKED: "processo {pid}",
    Cause.SLOT_TAKEN: "endereço {address}",
    Cause.APPLY_FAILING: "{said}",
    Cause.EXPORT_CUT: "{said}",
    Cause.INTAKE_CUT: "{said}",
}
"""What a fault adds to its cause, beside the server's name; errors are in its own words."""

LOSSES = {
    "wal_removed": "passou de max_slot_wal_keep_size",
    "idle_timeout": "parada por mais que idle_replication_slot_timeout",
    "rows_removed": "o que ela precisa do catálogo foi removido",
    "wal_level_insufficient": "wal_level foi reduzido",
    "dropped": "foi apagada",
    "replaced": "foi recriada por alguém",
}

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
