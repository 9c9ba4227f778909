-- How the JSON text in `pedidos.items` becomes a clean list. It degrades item by item: what one item
-- spoils costs that item, never its neighbours and never the order. What can't be read is found before it is
-- read: nothing here catches an error, because each catching block is a subtransaction, and a walsender keeps
-- memory for each of these until the whole transaction is sent.
--
-- A function in SQL becomes part of the statement that calls it, where its body is one expression, and costs nothing
-- by itself; one in plpgsql costs a microsecond a call. So what is usual is written in SQL and calls plpgsql for what
-- is odd (docs/adr/0038).

-- Text of a JSON string for people; NULL for blanks and data URLs. A data URL may leave out its type;
-- 'Data:12/03' is a day.
CREATE OR REPLACE FUNCTION projection.keep_text(given text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT AS $$
BEGIN
  RETURN CASE WHEN strpos(given, ':') = 0 OR given !~* 'data:([a-z][a-z0-9.+-]*/|;|,\S|[^\s,]*;base64,)'
              THEN nullif(given, '') END;
END
$$;

-- A value as text of one line for people; NULL for what has none: blanks, false, structures, data URLs, numbers
-- that nobody writes: jsonb says `1e131071` in so many digits. STRICT spares the call where an item lacks the key.
CREATE OR REPLACE FUNCTION projection.item_text(value jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT AS $$
DECLARE
  given text;
BEGIN
  IF jsonb_typeof(value) = 'number' AND (abs(value::numeric) >= 1e40 OR scale(value::numeric) > 40) THEN
    RETURN NULL;
  END IF;
  given := value #>> '{}';
  RETURN CASE jsonb_typeof(value)
    WHEN 'string' THEN projection.keep_text(projection.cut_line(btrim(left(given, 300000), E' \t\r\n\f\u000b\u00a0')))
    WHEN 'number' THEN CASE WHEN length(given) <= 40 THEN given END
    WHEN 'boolean' THEN CASE WHEN given = 'true' THEN 'Sim' END
  END;
END
$$;

-- The same of a text that may be long.
CREATE OR REPLACE FUNCTION projection.item_note(value jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT AS $$
BEGIN
  RETURN CASE jsonb_typeof(value)
    WHEN 'string' THEN
      projection.keep_text(projection.cut_note(btrim(left(value #>> '{}', 300000), E' \t\r\n\f\u000b\u00a0')))
    ELSE projection.item_text(value) END;
END
$$;

-- The one or the other, by the key under which a value stands. What is as most are is read here.
CREATE OR REPLACE FUNCTION projection.item_line(key text, value jsonb) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN jsonb_typeof(value) = 'string' AND pg_column_size(value) <= 4096
                   AND strpos(value #>> '{}', ':') = 0
              THEN nullif(btrim(value #>> '{}', E' \t\r\n\f\u000b\u00a0'), '')
              WHEN key IN ('descricao', 'observacao') THEN projection.item_note(value)
              ELSE projection.item_text(value) END
$$;

-- '3', '3.0' or '3,00' as '3,00'; other text as it stands.
CREATE OR REPLACE FUNCTION projection.odd_metres(given text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT AS $$
BEGIN
  RETURN coalesce(translate(projection.parse_money(given)::text, '.', ','), given);
END
$$;

CREATE OR REPLACE FUNCTION projection.item_metres(given text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN given ~ '^(0|[1-9][0-9]{0,8}),[0-9]{2}$' THEN given ELSE projection.odd_metres(given) END
$$;

-- A list of objects, each as landing keeps it: of what SGP wrote only what the window shows, or is made of, each value
-- as text. What leaves is named here: the PWA prints every key that it does not know, so this is a list of what goes, not
-- of what stays. An item has its own id where a phone's number can hold it.
CREATE OR REPLACE FUNCTION projection.clean_list(list jsonb) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT jsonb_agg((
           SELECT coalesce(jsonb_object_agg_strict(v.key, CASE v.key
                    WHEN 'id' THEN
                      CASE WHEN jsonb_typeof(v.value) = 'number' AND abs(v.value::numeric) >= 1e15 THEN NULL
                           ELSE substring(v.value #>> '{}' FROM '^[0-9]{1,15}$') END
                    WHEN 'imagem' THEN
                      CASE WHEN jsonb_typeof(v.value) = 'string'
                           THEN substring(left(v.value #>> '{}', 100) FROM '^/pedidos/imagens/([0-9]{1,9})$') END
                    WHEN 'acabamento' THEN nullif(concat_ws(', ',
                      CASE WHEN v.value -> 'overloque' = 'true' THEN 'overloque' END,
                      CASE WHEN v.value -> 'elastico' = 'true' THEN 'elástico' END,
                      CASE WHEN v.value -> 'ilhos' = 'true' THEN 'ilhós' END), '')
                    ELSE projection.item_line(v.key, v.value) END), '{}')
             FROM jsonb_each(e.item) AS v
            WHERE v.key IN (
              'id', 'imagem', 'acabamento', 'descricao', 'observacao', 'largura', 'altura', 'emenda', 'emenda_qtd',
              'tipo_producao', 'vendedor', 'designer', 'tecido', 'tipo_acabamento', 'composicao_tecidos',
              'quantidade_ilhos', 'espaco_ilhos', 'quantidade_cordinha', 'espaco_cordinha', 'quantidade_paineis',
              'quantidade_totem', 'quantidade_lona', 'quantidade_adesivo', 'terceirizado', 'ziper', 'cordinha_extra',
              'alcinha', 'toalha_pronta', 'rip_maquina', 'data_impressao', 'perfil_cor', 'tecido_fornecedor',
              'status_arte')))
    FROM jsonb_array_elements(list) AS e (item)
$$;

-- The list that the window shows, of the one that landing keeps. `indice` stands in an item that is not where it was.
CREATE OR REPLACE FUNCTION projection.show_list(cleaned jsonb, pedido_id integer) RETURNS TABLE (items jsonb)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT jsonb_agg(
           (i.item - '{imagem,acabamento,descricao,observacao,largura,altura,emenda,emenda_qtd}'::text[])
           || JSON_OBJECT(
             'id': coalesce((i.item ->> 'id')::bigint,
                            pedido_id::bigint * 1000 + coalesce((i.item ->> 'indice')::integer, i.ord - 1)),
             'indice': coalesce((i.item ->> 'indice')::integer, i.ord - 1),
             'descricao': coalesce(i.item ->> 'descricao', ''),
             'especificacoes': concat_ws(E'\n',
               nullif(concat_ws(' x ', projection.item_metres(i.item ->> 'largura'),
                                projection.item_metres(i.item ->> 'altura')), '') || ' m',
               i.item ->> 'tecido',
               'Acabamento: ' || (i.item ->> 'acabamento'),
               CASE WHEN i.item ->> 'emenda' !~* '^sem' THEN
                 'Emenda: ' || (i.item ->> 'emenda') || coalesce(' (' || (i.item ->> 'emenda_qtd') || ')', '')
               END),
             'observacoes': coalesce(i.item ->> 'observacao', ''),
             'imagem_id': (i.item ->> 'imagem')::integer
             ABSENT ON NULL RETURNING jsonb))
    FROM jsonb_array_elements(cleaned) WITH ORDINALITY AS i (item, ord)
$$;

-- Read the text of an order's items where it is a list as most are, or answer NULL: too short to be deep, and with
-- nothing that jsonb refuses. Where there can be nothing of that kind its syntax alone is looked at, in a third of
-- the time.
CREATE OR REPLACE FUNCTION projection.read_plain(raw text) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN octet_length(raw) < 8000 THEN
    CASE WHEN raw IS JSON ARRAY AND (raw !~ '\\u(0000|[dD][89a-fA-F])|[0-9][eE][-+]?[0-9]{3}'
                                     OR pg_input_is_valid(raw, 'jsonb'))
         THEN raw::jsonb END END
$$;

-- Tell whether a list holds nothing but objects, and no more of them than an order shows.
CREATE OR REPLACE FUNCTION projection.is_list(list jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT jsonb_array_length(list) BETWEEN 1 AND 1000
         AND NOT jsonb_path_exists(list, 'strict $[*] ? (@.type() != "object")')
$$;
