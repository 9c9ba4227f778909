"""The shop's vocabulary. Nobody and nothing here is real."""

from __future__ import annotations

import random

FIRST_NAMES = (
    "Antônio", "Beatriz", "Caio", "Débora", "Eloá", "Flávio", "Glória", "Hélio", "Inês", "João", "Kátia",
    "Luís", "Márcia", "Natália", "Otávio", "Patrícia", "Quitéria", "Régis", "Sônia", "Tâmara", "Ubirajara",
    "Vinícius", "Wanda", "Yara", "Zuleide", "Conceição", "Estêvão", "Íris", "Müriel", "Núbia",
)  # fmt: skip
LAST_NAMES = (
    "Araújo", "Brandão", "Conceição", "Damião", "Esperança", "Falcão", "Guimarães", "Hipólito", "Ibáñez",
    "Junqueira", "Leão", "Magalhães", "Nóbrega", "Orpinelli", "Paixão", "Queirós", "Ramalho", "Simões",
    "Távora", "Uchôa", "Valadão", "Xavier", "Zanotti",
)  # fmt: skip
TRADES = (
    "Agência", "Ateliê", "Bloco", "Buffet", "Colégio", "Confecções", "Editora", "Estúdio", "Eventos", "Feira",
    "Gráfica", "Igreja", "Instituto", "Livraria", "Malharia", "Papelaria", "Paróquia", "Produções",
)  # fmt: skip
TRADE_NAMES = (
    "Pingo de Luz", "Maré Alta", "Três Ipês", "Beija-Flor Azul", "Coração do Agreste", "Céu de Anil",
    "Pé de Manacá", "Ação & Cia", "Água Doce", "Nossa Senhora do Girassol", "São Tomé das Águas",
    "Alvorecer", "Mãos Unidas", "Flor de Açucena", "Ipê-Roxo", "Caravana do Sertão", "Vovó Lindóia",
)  # fmt: skip
CITIES = (
    ("Vila Velha", "ES"), ("Vitória", "ES"), ("Cariacica", "ES"), ("Cachoeiro de Itapemirim", "ES"),
    ("Serra", "ES"), ("São Paulo", "SP"), ("Santa Bárbara d'Oeste", "SP"), ("Embu-Guaçu", "SP"),
    ("Ribeirão Preto", "SP"), ("Belo Horizonte", "MG"), ("Juiz de Fora", "MG"), ("Poços de Caldas", "MG"),
    ("Niterói", "RJ"), ("Macaé", "RJ"), ("Feira de Santana", "BA"), ("Ilhéus", "BA"), ("Goiânia", "GO"),
    ("Ji-Paraná", "RO"), ("Belém", "PA"), ("São Luís", "MA"), ("Maceió", "AL"), ("Florianópolis", "SC"),
    ("Curitiba", "PR"), ("Brasília", "DF"),
)  # fmt: skip
FABRICS = (
    "Tactel", "Oxford", "Helanca", "Microfibra", "Cetim", "Lona 440g", "Dry fit", "Voil", "Veludo",
    "Neoprene",
)  # fmt: skip
SHIPPING = (
    (1, "Sedex"), (2, "PAC"), (3, "Transportadora"), (4, "Retirada na loja"), (5, "Motoboy"), (6, "Ônibus"),
)  # fmt: skip
PAYMENTS = ("PIX", "Boleto 28 dias", "Cartão de crédito", "Dinheiro", "50% entrada / 50% entrega")
MACHINES = ("Calandra 1", "Calandra 2", "Epson F9370", "Mimaki TS100", "Plotter Solvente")
COLOR_PROFILES = ("sRGB", "Adobe RGB", "FOGRA39", "Perfil Tactel 2026")
SELLERS = ("Inês", "Flávio", "Núbia")
DESIGNERS = ("Íris", "Caio", "Tâmara", "Zé")
NOTES = (
    "Cliente pediu urgência", "Conferir a cor do azul", "Arte aprovada por e-mail",
    "Não dobrar, enviar em tubo", "Entregar só depois das 14h", "Mesma arte do pedido anterior",
    "Atenção: sobra de 2 cm para costura", "Ligar antes de enviar\nFalar com a recepção",
)  # fmt: skip
ITEM_NOTES = (
    "", "", "cuidado com a emenda", "espelhar a arte", "bainha de 5 cm", "ilhós nos quatro cantos", "2ª via",
)  # fmt: skip
COMMENTS = (
    "Arte liberada", "Falta a fonte do título", "Cliente trocou a cor", "Pode imprimir", "Refazer: manchou",
)  # fmt: skip
ERRORS = ("Papel atolado", "Cabeça de impressão entupida", "Tinta ciano no fim", "Tecido enrugou")


def name_customer(rng: random.Random) -> str:
    """Invent a customer: two in three are organisations."""
    if rng.random() < 0.66:  # noqa: PLR2004
        return f"{rng.choice(TRADES)} {rng.choice(TRADE_NAMES)}"
    return f"{rng.choice(FIRST_NAMES)} {rng.choice(LAST_NAMES)} {rng.choice(LAST_NAMES)}"


def write_city(rng: random.Random) -> str | None:
    """Write a city as SGP's rows have it: `Cidade||UF` today, other forms in older rows."""
    city, state = rng.choice(CITIES)
    forms = (f"{city}||{state}", f"{city} - {state}", city, None)
    return rng.choices(forms, weights=(80, 12, 5, 3))[0]


def write_phone(rng: random.Random) -> str | None:
    """Write a telephone number of no real subscriber, or none."""
    number = f"({rng.randint(11, 99)}) 90000-{rng.randint(0, 9999):04d}"
    return rng.choices((number, None), weights=(85, 15))[0]


def write_money(rng: random.Random, cents: int) -> str:
    """Write an amount as SGP's rows have it: a decimal point today, Brazilian text in older rows."""
    point = f"{cents / 100:.2f}"
    brazilian = f"{cents / 100:,.2f}".translate(str.maketrans(",.", ".,"))
    return rng.choices((point, point.replace(".", ","), brazilian, f"R$ {brazilian}"), weights=(86, 6, 5, 3))[
        0
    ]
