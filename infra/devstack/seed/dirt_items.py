"""Dirt in `pedidos.items`: text that is not JSON, JSON that is no list of objects, items with odd values."""

from __future__ import annotations

import base64
import json
import random

from .dirt_case import DirtCase, name_cases

GOOD = '{"id": %d, "descricao": "Item bom nº %d", "largura": "1,00", "altura": "2,00", "tecido": "Oxford"}'
FIRST, LAST = GOOD % (1, 1), GOOD % (3, 3)
DATA_URL_BYTES = 2_000_000
LONG_KEY = "k" * 5000


def between(item: str) -> str:
    """Write a list of three with this item between two good ones: it may be lost, they may not."""
    return f"[{FIRST}, {item}, {LAST}]"


def with_key(key: str, value: str) -> str:
    """Write such a list whose middle item has one key with this JSON text as its value."""
    return between(f'{{"descricao": "Item do meio", {json.dumps(key)}: {value}}}')


def write_data_url(size_bytes: int) -> str:
    """Write a data URL of that length that doesn't compress, the same each time."""
    noise = random.Random(size_bytes).randbytes(size_bytes * 3 // 4)  # noqa: S311
    return "data:image/jpeg;base64," + base64.b64encode(noise).decode()


NOT_JSON: dict[str, str | None] = {
    "missing": None,
    "empty": "",
    "blank": " \n ",
    "truncated": f"[{FIRST}, " + '{"id": 2, "descricao": "Cortad',
    "truncated_in_escape": '[{"descricao": "Cortad\\u00',
    "python_repr": "[{'id': 1, 'descricao': 'Aspas simples', 'terceirizado': False}]",
    "javascript_object": "[object Object]",
    "undefined": "undefined",
    "trailing_comma": f"[{FIRST}, ]",
    "trailing_text": f"[{FIRST}] fim",
    "two_documents": f"[{FIRST}][{LAST}]",
    "byte_order_mark": f"\ufeff[{FIRST}]",
    "raw_newline_in_text": between('{"descricao": "linha 1\nlinha 2"}'),
    "raw_tab_in_text": between('{"descricao": "a\tb"}'),
    "bad_escape": between('{"descricao": "C:\\pasta"}'),
    "comment": f"[{FIRST} /* confirmar */]",
}

NOT_A_LIST_OF_OBJECTS: dict[str, str | None] = {
    "null": "null",
    "number": "42",
    "text": '"Painel 3x2"',
    "json_in_json": json.dumps(f"[{FIRST}]"),
    "object": FIRST,
    "object_of_items": f'{{"0": {FIRST}, "1": {LAST}}}',
    "object_with_list": f'{{"items": [{FIRST}]}}',
    "empty_list": "[]",
    "empty_object": "{}",
    "list_of_texts": '["Painel", "Lona 3x2"]',
    "list_of_numbers": "[1, 2.5, -3]",
    "list_of_lists": f"[[{FIRST}], []]",
    "null_elements": f"[null, {FIRST}, null, {LAST}, null]",
    "only_null": "[null]",
    "empty_elements": between("{}"),
    "items_as_text": f"[{json.dumps(FIRST)}, {LAST}]",
    "mixed": f'[{FIRST}, "texto", 7, null, true, [], {LAST}]',
}

NUMBERS = {
    "nan": with_key("largura", "NaN"),
    "infinity": with_key("largura", "-Infinity"),
    "1e400": with_key("largura", "1e400"),
    "1e999999": with_key("quantidade_ilhos", "1e999999"),
    "minus_1e400_negative_exponent": with_key("altura", "-1e-400"),
    "five_thousand_digits": with_key("emenda_qtd", "9" * 5000),
    "leading_zero": with_key("largura", "007"),
    "number_as_text_key": with_key("descricao", "12345"),
    "seventeen_decimals": with_key("metro_quadrado", "0.30000000000000004"),
}

TEXTS = {
    "nul_escape": with_key("descricao", '"antes\\u0000depois"'),
    "nul_escape_in_key": between('{"descri\\u0000cao": "x", "tecido": "Oxford"}'),
    "nul_escape_escaped": with_key("descricao", '"C:\\\\u0000 é só texto"'),
    "lone_high_surrogate": with_key("descricao", '"emoji cortado \\ud800"'),
    "lone_low_surrogate": with_key("observacao", '"\\udc00 no começo"'),
    "surrogates_swapped": with_key("observacao", '"\\udc00\\ud83c"'),
    "surrogate_pair": with_key("descricao", '"festa \\ud83c\\udf89"'),
    "lone_surrogate_in_key": between('{"\\ud800": "x", "descricao": "ok"}'),
    "controls": with_key("descricao", '"a\\u0001b\\u001fc\\u007f\\b\\f"'),
    "decomposed": with_key("descricao", '"Algoda\u0303o com acabamento a\u0300 ma\u0303o"'),
    "right_to_left": with_key("observacao", '"لوحة \\u202e321"'),
    "markup": with_key("descricao", '"<img src=x onerror=alert(1)>"'),
    "long": with_key("observacao", json.dumps("muito texto " * 20_000)),
    "data_url_2_mb": with_key("imagem", json.dumps(write_data_url(DATA_URL_BYTES))),
    "data_url_in_description": with_key("descricao", '"DATA:image/png;base64,iVBORw0KGgo="'),
    "data_url_in_list": with_key("composicao_tecidos", '["Oxford", "data:image/png;base64,iVBORw0KGgo="]'),
    "data_url_after_text": with_key("observacao", '"veja: data:image/svg+xml,%3Csvg%3E"'),
}

IDS = {
    "as_text": with_key("id", '"1001"'),
    "thirteen_digits": with_key("id", "1767225600123"),
    "thirteen_digits_as_text": with_key("id", '"1767225600123"'),
    "beyond_int8": with_key("id", "99999999999999999999"),
    "beyond_double": with_key("id", "9007199254740993"),
    "zero": with_key("id", "0"),
    "negative": with_key("id", "-5"),
    "decimal": with_key("id", "1001.0"),
    "fraction": with_key("id", "10.5"),
    "exponent": with_key("id", "1e3"),
    "boolean": with_key("id", "true"),
    "null": with_key("id", "null"),
    "empty": with_key("id", '""'),
    "words": with_key("id", '"temp-abc"'),
    "object": with_key("id", '{"$oid": "65a0"}'),
    "repeated": f"[{FIRST}, {FIRST}, {LAST}]",
}

SHAPES = {
    "duplicate_keys": between('{"descricao": "primeira", "descricao": "segunda", "id": 2, "id": 3}'),
    "empty_key": between('{"": "sem nome", "descricao": "ok"}'),
    "key_in_capitals": between('{"Descricao": "Maiúscula", "VALOR_UNITARIO": "10,00", "Imagem": "x.png"}'),
    "key_with_spaces": between('{" valor_unitario ": "10,00", "valor unitario": "10,00", "descricao": "ok"}'),
    "key_of_prototype": between('{"__proto__": {"admin": true}, "constructor": "x", "descricao": "ok"}'),
    "key_very_long": between(f'{{"{LONG_KEY}": 1, "descricao": "ok"}}'),
    "null_values": between('{"id": null, "descricao": null, "acabamento": null, "imagem": null}'),
    "descricao_object": with_key("descricao", '{"pt": "Painel"}'),
    "descricao_list": with_key("descricao", '["Painel", "duplo"]'),
    "descricao_boolean": with_key("descricao", "false"),
    "tecido_number": with_key("tecido", "440"),
    "acabamento_text": with_key("acabamento", '"overloque"'),
    "acabamento_list": with_key("acabamento", '["overloque", "ilhos"]'),
    "acabamento_money": with_key("acabamento", '{"ilhos": "sim", "valor_ilhos": "9,90", "b": {"preco": 1}}'),
    "comentarios_text": with_key("comentarios", '"ver com a Íris"'),
    "comentarios_mixed": with_key("comentarios", '[null, 3, "solto", {"texto": 5, "data": "ontem"}]'),
    "composicao_object": with_key("composicao_tecidos", '{"frente": "Oxford", "valor_frente": "12,00"}'),
    "composicao_json_text": with_key("composicao_tecidos", json.dumps('[{"tecido":"Oxford","preco":9}]')),
    "status_arte_unknown": with_key("status_arte", '"quase"'),
    "imagem_number": with_key("imagem", "17"),
    "imagem_object": with_key("imagem", '{"uri": "pedidos/1/x.jpg"}'),
    "imagem_id_of_another": with_key("imagem", '"/pedidos/imagens/1"'),
    "imagem_id_huge": with_key("imagem", '"/pedidos/imagens/99999999999999999999"'),
    "imagem_id_with_query": with_key("imagem", '"/pedidos/imagens/1?v=2"'),
    "imagem_full_address": with_key("imagem", '"http://10.0.0.5:8000/pedidos/imagens/1"'),
    "imagem_traversal": with_key("imagem", '"/pedidos/imagens/../../etc/passwd"'),
    "nested_200": with_key("observacao", "[" * 200 + "]" * 200),
    "nested_5_000": with_key("observacao", '{"a":' * 5000 + "1" + "}" * 5000),
    "nested_100_000": "[" * 100_000 + "]" * 100_000,
    "two_thousand_items": "[" + ", ".join(GOOD % (n, n) for n in range(2000)) + "]",
    "five_hundred_keys": between("{" + ", ".join(f'"campo_{n}": "{n}"' for n in range(500)) + "}"),
}  # fmt: skip

ITEM_DIRT: tuple[DirtCase, ...] = tuple(
    case for group in (NOT_JSON, NOT_A_LIST_OF_OBJECTS) for case in name_cases("items", group)
) + tuple(
    DirtCase(f"items_{kind}_{key}", {"items": text})
    for kind, group in {"number": NUMBERS, "text": TEXTS, "id": IDS, "shape": SHAPES}.items()
    for key, text in group.items()
)
