"""Why a photo has no miniatura: words alone, so that a rendering process loads no models for them."""

from __future__ import annotations

from enum import StrEnum


class Motivo(StrEnum):
    """Why a photo has no miniatura and will have none, as `vitrine.miniaturas.motivo` says it."""

    ARQUIVO_AUSENTE = "arquivo_ausente"
    VAZIO = "vazio"
    NAO_E_IMAGEM = "nao_e_imagem"
    TRUNCADA = "truncada"
    GRANDE_DEMAIS = "grande_demais"
    PIXELS_DEMAIS = "pixels_demais"
    CAMINHO_INVALIDO = "caminho_invalido"
    TEMPO_ESGOTADO = "tempo_esgotado"
    DECODIFICADOR_CAIU = "decodificador_caiu"
    RECUSADA = "recusada"
