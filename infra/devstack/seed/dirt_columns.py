"""Dirt in the plain columns of an order: status, number, money, dates, places and text."""

from __future__ import annotations

from .dirt_case import DirtCase, name_cases

STATUSES = {
    "penden": "penden",
    "empty": "",
    "blank": "   ",
    "unknown": "aguardando arte",
    "fifty_letters": "x" * 50,
    "em_producao_spaced": "em producao",
    "em_producao_accents": "em produção",
    "em_producao_decomposed": "em produc\u0327a\u0303o",
    "em_producao_joined": "emproducao",
    "em_producao_upper": "EM PRODUÇÃO",
    "pronto_padded": "  Pronto ",
    "pronto_no_break_space": "\u00a0pronto\u00a0",
    "entregue_newline": "entregue\n",
    "concluido": "concluido",
    "concluido_accent": "Concluído",
    "cancelado_upper": "CANCELADO",
}

NUMBERS = {
    "missing": None,
    "empty": "",
    "free_text": "A-17/2 (reposição)",
    "of_another_order": "0000000001",
    "twin_a": "DUP-0001",
    "twin_b": "DUP-0001",
    "unpadded": " 77 ",
    "long": "9" * 300,
}

MONEY = {
    "missing": None,
    "empty": "",
    "blank": "  ",
    "comma": "20,00",
    "brazilian": "1.234,56",
    "currency": "R$ 5,00",
    "currency_no_break_space": "R$\u00a01.234,56",
    "american": "1,955.00",
    "dots_only": "1.955.00",
    "commas_only": "1,955,00",
    "one_dot_three_digits": "1.234",
    "millions": "12.345.678,90",
    "to_agree": "a combinar",
    "negative": "-5,00",
    "accounting": "(5,00)",
    "trailing_minus": "5,00-",
    "beyond_int8": "99999999999999999999.99",
    "four_hundred_digits": "9" * 400,
    "exponent": "1e5",
    "exponent_huge": "1e400",
    "not_a_number": "NaN",
    "infinity": "Infinity",
    "arabic_digits": "٣٫٥٠",
    "full_width_digits": "１２,５０",
    "superscript": "5²",
    "underscore": "1_000",
    "trailing_separator": "5,",
    "leading_separator": ",50",
    "separators_only": ".,.",
    "thirds": "0.333333333333",
    "with_words": "50,00 + frete",
    "two_amounts": "10,00 / 20,00",
    "currency_alone": "R$ -",
}

DATES = {
    "empty": "",
    "blank": "  ",
    "with_time": "2026-11-11T10:00:00",
    "zulu": "2026-01-11T10:00:00Z",
    "late_zulu": "2026-11-11T23:30:00-03:00",
    "milliseconds": "2026-11-11T10:00:00.000Z",
    "space_and_time": "2026-11-11 10:00:00",
    "padded": " 2026-11-11 ",
    "brazilian": "31/12/2025",
    "brazilian_short": "1/2/26",
    "brazilian_with_time": "31/12/2025 08:30",
    "american": "12/31/2025",
    "dashes_brazilian": "31-12-2025",
    "compact": "20261111",
    "unpadded": "2026-1-5",
    "no_such_day": "2026-02-30",
    "no_such_leap_day": "29/02/2025",
    "leap_day": "2024-02-29",
    "zeros": "0000-00-00",
    "month_thirteen": "2026-13-01",
    "year_1": "0001-01-01",
    "year_9999": "9999-12-31",
    "year_10000": "10000-01-01",
    "year_20026": "20026-01-11",
    "words": "amanhã cedo",
    "today": "today",
    "infinity": "infinity",
    "epoch": "epoch",
    "julian": "J2451187",
    "before_christ": "2026-01-11 BC",
    "arabic_digits": "٢٠٢٦-٠١-١١",
    "millisecond_clock": "1767225600000",
    "nan": "NaN",
}

CITIES = {
    "missing": None,
    "empty": "",
    "plain": "Serra",
    "dashed": "Vitória - ES",
    "hyphen_and_dash": "Embu-Guaçu - SP",
    "hyphen_plain": "Xique-Xique",
    "dashed_twice": "São Paulo - Zona Sul - SP",
    "slash": "Campo Grande/MS",
    "bars_only": "||",
    "no_state": "Vila Velha||",
    "no_city": "||ES",
    "no_such_state": "Lugar Nenhum||XX",
    "state_in_full": "Vitória||Espírito Santo",
    "lower": "vila velha||es",
    "padded": "  Ilhéus || BA  ",
    "three_parts": "Cidade||MG||sobra",
    "single_bar": "Macaé|RJ",
    "decomposed": "Sa\u0303o Lui\u0301s||MA",
    "not_a_state": "Entregar no galpão - 2º",
}

CUSTOMERS = {
    "empty": "",
    "blank": " \t ",
    "precomposed": "Conceição Müller Ibáñez",
    "decomposed": "Conceic\u0327a\u0303o Mu\u0308ller Iba\u0301n\u0303ez",
    "emoji": "Festa da Lú 🎉👩‍👩‍👧‍👦🇧🇷",
    "right_to_left": "متجر النور \u202eodarivni\u202c",
    "zero_width": "Ate\u200bliê\ufeff Azul",
    "controls": "Linha 1\nLinha 2\r\tcoluna\x01\x1f\x7f",
    "markup": "<script>alert('x')</script> & Filhos",
    "quotes": 'Santa Bárbara d\'Oeste "Ltda"; drop table pedidos;--',
    "backslash": "C:\\novo\\tabela %s {0} $1",
    "formula": '=HYPERLINK("http://x.invalid")',
    "mojibake": "AgÃªncia Ã‡Ã£o",
    "noncharacter": "fim\uffff\U0010ffff",
    "very_long": "Comissão organizadora " * 1000,
}

CREATION_AND_UPDATE = ("data_criacao", "ultima_atualizacao")
ALL_TIMES = (*CREATION_AND_UPDATE, "financeiro_liberado_em")
EVERY_TEXT = (
    "numero", "data_entrada", "data_entrega", "observacao", "status", "cliente", "telefone_cliente",
    "cidade_cliente", "valor_total", "valor_frete", "valor_itens", "tipo_pagamento", "obs_pagamento",
    "forma_envio", "sublimacao_maquina", "sublimacao_data_impressao", "items",
)  # fmt: skip
NOT_NULL = {"data_entrada", "status", "cliente"}

TIMES: dict[str, dict[str, object]] = {
    "data_criacao_missing": {"data_criacao": None},
    "ultima_atualizacao_missing": {"ultima_atualizacao": None},
    "both_times_missing": dict.fromkeys(CREATION_AND_UPDATE),
    "updated_before_created": {"ultima_atualizacao": "2025-01-01T00:00:00+00:00"},
    "times_in_the_future": dict.fromkeys(CREATION_AND_UPDATE, "2031-05-05T05:05:05+00:00"),
    "times_year_1": dict.fromkeys(ALL_TIMES, "0001-01-01T00:00:00+00:00"),
    "times_year_9999": dict.fromkeys(ALL_TIMES, "9999-12-31T23:59:59.999999+00:00"),
    "time_skipped_by_summer_time": {"data_criacao": "2018-11-04T00:30:00+00:00"},
}

OTHERS: dict[str, dict[str, object]] = {
    "pronto_while_pending": {"status": "pendente", "pronto": True},
    "cancelado_with_flags": {"status": "cancelado", "financeiro": True, "expedicao": True, "pronto": True},
    "entregue_without_flags": {"status": "entregue", "financeiro": False, "conferencia": False},
    "delivery_before_entry": {"data_entrada": "2026-11-15", "data_entrega": "2026-11-01"},
    "data_entrega_missing": {"data_entrega": None, "sublimacao_data_impressao": None},
    "all_nullable_missing": dict.fromkeys(
        (*(name for name in EVERY_TEXT if name not in NOT_NULL), *ALL_TIMES)
    ),
    "all_text_empty": dict.fromkeys(EVERY_TEXT, ""),
    "telefone_words": {"telefone_cliente": "ligar p/ João à noite (não é zap)"},
    "telefone_two": {"telefone_cliente": "+55 27 90000-0001 / 90000-0002"},
    "observacao_data_url": {"observacao": "ver data:image/png;base64,iVBORw0KGgo="},
    "observacao_long": {"observacao": "não pode amassar, não pode dobrar\n" * 2000},
    "maquina_unknown": {"sublimacao_maquina": "máquina do vizinho", "sublimacao_data_impressao": "ontem"},
}

COLUMN_DIRT: tuple[DirtCase, ...] = (
    *name_cases("status", STATUSES),
    *name_cases("numero", NUMBERS),
    *name_cases(("valor_total", "valor_frete", "valor_itens"), MONEY),
    DirtCase("valor_frete_to_agree", {"valor_frete": "a combinar"}),
    *name_cases(("data_entrada", "data_entrega", "sublimacao_data_impressao"), DATES),
    *name_cases("cidade_cliente", CITIES),
    *name_cases("cliente", CUSTOMERS),
    *(DirtCase(name, overrides) for name, overrides in {**TIMES, **OTHERS}.items()),
)

SQLITE_ONLY_DIRT: tuple[DirtCase, ...] = (
    DirtCase("status_missing", {"status": None}),
    DirtCase("cliente_missing", {"cliente": None}),
    DirtCase("data_entrada_missing", {"data_entrada": None}),
    DirtCase("prioridade_missing", {"prioridade": None}),
    DirtCase("prioridade_lower", {"prioridade": "alta"}),
    DirtCase("prioridade_unknown", {"prioridade": "URGENTE!!"}),
    DirtCase("flags_missing", dict.fromkeys(("financeiro", "conferencia", "sublimacao", "pronto"))),
    DirtCase("status_long", {"status": "pronto " * 20}),
)
"""Dirt that PostgreSQL's NOT NULLs, enum and lengths refuse and SGP's SQLite lets in. Never seeded: it is for
what is fed from SQLite, and for tests that write landing tables directly."""
