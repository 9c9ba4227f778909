"""What each cause means for people who know the shop and not PostgreSQL, and what to do."""

from __future__ import annotations

from db.freshness import Cause

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
    Cause.PUSH_DEAD: (
        "O serviço que envia as mudanças à VPS está parado.",
        "Inicie o serviço 'ponte push' no servidor da loja.",
    ),
    Cause.PUSH_REFUSED: (
        "A VPS recusa o que a loja envia: a chave não confere.",
        "Chame o suporte: chave e segredo têm de ser os mesmos nos dois lados, e os relógios, certos.",
    ),
    Cause.PUSH_REJECTED: (
        "A VPS não entende o que a loja envia.",
        "Chame o suporte: rode 'ponte migrate' na VPS.",
    ),
    Cause.PUSH_UNREACHABLE: (
        "A VPS não responde ao envio das mudanças.",
        "Veja a internet da loja; se ela funciona, chame o suporte.",
    ),
    Cause.PUSH_STOPPED: (
        "O envio das mudanças à VPS está parado.",
        "Chame o suporte: 'ponte status' diz por quê.",
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
