-- How the JSON text in `pedidos.items` becomes a clean list. It degrades item by item: what one item
-- spoils costs that item, never its neighbours and never the order. The functions are plpgsql, whose plans
-- last for the session: as SQL functions the same work takes 3 ms an order, planned anew at each call.

-- The keys that may leave, beside those that have a place of their own. The PWA prints every key that
-- it does not know, so this is a list of what goes, not of what stays.
CREATE OR REPLACE FUNCTION projection.item_keys() RETURNS text[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  RETURN ARRAY[
    'tipo_producao', 'vendedor', 'designer', 'tecido', 'tipo_acabamento', 'composicao_tecidos',
    'quantidade_ilhos', 'espaco_ilhos', 'quantidade_cordinha', 'espaco_cordinha', 'quantidade_paineis',
    'quantidade_totem', 'quantidade_lona', 'quantidade_adesivo', 'terceirizado', 'ziper',
    'cordinha_extra', 'alcinha', 'toalha_pronta', 'rip_maquina', 'data_impressao', 'perfil_cor',
    'tecido_fornecedor', 'status_arte'
  ];
END
$$;

-- A value as text for people; NULL for what has none: blanks, false, structures, data URLs. A data URL may
-- leave out its type; 'Data:12/03' is a day.
CREATE OR REPLACE FUNCTION projection.item_text(value jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  RETURN CASE jsonb_typeof(value)
    WHEN 'string' THEN
      CASE WHEN value #>> '{}' !~* 'data:([a-z][a-z0-9.+-]*/|;|,\S|[^\s,]*;base64,)'
           THEN nullif(btrim(value #>> '{}', E' \t\r\n\f\u000b\u00a0'), '') END
    WHEN 'number' THEN CASE WHEN length(value #>> '{}') <= 40 THEN value #>> '{}' END
    WHEN 'boolean' THEN CASE WHEN value = 'true' THEN 'Sim' END
  END;
END
$$;

-- '3', '3.0' or '3,00' as '3,00'; other text as it stands.
CREATE OR REPLACE FUNCTION projection.item_metres(value jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  given text := projection.item_text(value);
BEGIN
  RETURN coalesce(translate(projection.parse_money(given)::text, '.', ','), given);
END
$$;

-- What the workshop must know, a line each: size, cloth, finish, seam.
CREATE OR REPLACE FUNCTION projection.item_specs(item jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  size text := concat_ws(
    ' x ', projection.item_metres(item -> 'largura'), projection.item_metres(item -> 'altura'));
  done jsonb := item -> 'acabamento';
  finish text := concat_ws(', ',
    CASE WHEN done -> 'overloque' = 'true' THEN 'overloque' END,
    CASE WHEN done -> 'elastico' = 'true' THEN 'elástico' END,
    CASE WHEN done -> 'ilhos' = 'true' THEN 'ilhós' END);
  seam text := projection.item_text(item -> 'emenda');
BEGIN
  RETURN concat_ws(E'\n',
    nullif(size, '') || ' m',
    projection.item_text(item -> 'tecido'),
    'Acabamento: ' || nullif(finish, ''),
    CASE WHEN seam !~* '^sem' THEN
      'Emenda: ' || seam || coalesce(' (' || projection.item_text(item -> 'emenda_qtd') || ')', '') END);
END
$$;

-- The item's own id where it has one that a phone's number can hold, else pedido_id * 1000 + place.
CREATE OR REPLACE FUNCTION projection.item_id(item jsonb, pedido_id integer, place integer) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  RETURN CASE WHEN item ->> 'id' ~ '^[0-9]{1,15}$' THEN (item ->> 'id')::bigint
              ELSE pedido_id::bigint * 1000 + place END;
END
$$;

-- One item as the window holds it; NULL for an element that is no item at all.
CREATE OR REPLACE FUNCTION projection.project_item(item jsonb, pedido_id integer, place integer) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  kept jsonb := '{}';
  one record;
BEGIN
  IF jsonb_typeof(item) = 'string' THEN
    item := jsonb_build_object('descricao', projection.item_text(item));
    IF item ->> 'descricao' IS NULL THEN
      RETURN NULL;
    END IF;
  ELSIF jsonb_typeof(item) <> 'object' OR item IS NULL THEN
    RETURN NULL;
  END IF;
  FOR one IN SELECT key, value FROM jsonb_each(item) WHERE key = ANY (projection.item_keys()) LOOP
    kept := kept || jsonb_build_object(one.key, projection.item_text(one.value));
  END LOOP;
  RETURN jsonb_strip_nulls(kept || jsonb_build_object(
    'id', projection.item_id(item, pedido_id, place),
    'indice', place,
    'descricao', coalesce(projection.item_text(item -> 'descricao'), ''),
    'especificacoes', projection.item_specs(item),
    'observacoes', coalesce(projection.item_text(item -> 'observacao'), ''),
    'imagem_id', substring(item ->> 'imagem' FROM '^/pedidos/imagens/([0-9]{1,9})$')::integer));
END
$$;

-- A JSON string, in its quotes, with what jsonb refuses mended: \u0000 goes, half a surrogate pair becomes
-- U+FFFD. It is cut at its escapes once, from left to right: a pattern that looks back is tried from the
-- string's beginning at each of them, 12 s for 128 kB.
CREATE OR REPLACE FUNCTION projection.mend_string(said text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  IF said !~ '\\u(0000|[dD][89a-fA-F])' THEN
    RETURN said;
  END IF;
  RETURN (
    SELECT string_agg(CASE
             WHEN t.m[1] = '\u0000' THEN ''
             WHEN t.m[1] ~ '^\\u[dD][89a-fA-F][0-9a-fA-F]{2}$' THEN '\ufffd'
             ELSE t.m[1] END, '' ORDER BY t.ord)
      FROM regexp_matches(said,
        '(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.|[^\\]+|\\)', 'g')
        WITH ORDINALITY AS t (m, ord));
END
$$;

-- Cut broken JSON text into the elements of its outer list, mending what can be mended: NaN and Infinity
-- become null, and strings what `mend_string` makes of them.
CREATE OR REPLACE FUNCTION projection.split_elements(raw text) RETURNS TABLE (place integer, element text)
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  WITH token AS (
    SELECT ord, t.m[1] AS said
    FROM regexp_matches(raw, '("(?:[^"\\]|\\.)*"?|[][{},]|[^][{},"]+)', 'g') WITH ORDINALITY AS t (m, ord)
  ), nested AS (
    SELECT ord, said,
           sum(CASE WHEN said IN ('[', '{') THEN 1 WHEN said IN (']', '}') THEN -1 ELSE 0 END)
             OVER (ORDER BY ord) AS depth,
           min(ord) FILTER (WHERE btrim(said) <> '') OVER () AS opening
    FROM token
  ), numbered AS (
    SELECT ord, said, depth, opening,
           count(*) FILTER (WHERE said = ',' AND depth = 1) OVER (ORDER BY ord) AS place
    FROM nested
  )
  SELECT n.place::integer, string_agg(
    CASE WHEN said LIKE '"%' THEN projection.mend_string(said)
    ELSE regexp_replace(said, '-?\m(?:NaN|Infinity)\M', 'null', 'g') END, '' ORDER BY ord)
  FROM numbered AS n
  WHERE depth > 0 AND ord > opening AND NOT (said = ',' AND depth = 1)
  GROUP BY n.place
$$;

-- The elements of the order's list, whatever state its text is in. `place` counts from 0; an element
-- that can't be read comes as SQL NULL.
CREATE OR REPLACE FUNCTION projection.read_elements(raw text) RETURNS TABLE (place integer, element jsonb)
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  parsed jsonb := projection.try_jsonb(raw);
BEGIN
  CASE
    WHEN jsonb_typeof(parsed) = 'array' THEN
      RETURN QUERY SELECT (ord - 1)::integer, e FROM jsonb_array_elements(parsed) WITH ORDINALITY AS a (e, ord);
    WHEN jsonb_typeof(parsed) = 'object' THEN
      RETURN QUERY SELECT 0, parsed;
    WHEN jsonb_typeof(parsed) = 'null' THEN
      RETURN;
    WHEN parsed IS NULL AND length(raw) - length(translate(raw, '[{,"', '')) > 30000 THEN
      -- No order has so many parts, and taking them apart would keep the others waiting for more than a second.
      RETURN QUERY SELECT 0, NULL::jsonb;
    WHEN parsed IS NULL AND raw ~ '^\s*\[' THEN
      RETURN QUERY SELECT s.place, projection.try_jsonb(s.element) FROM projection.split_elements(raw) AS s;
    ELSE
      RETURN QUERY SELECT 0, projection.try_jsonb((projection.split_elements('[' || raw || ']')).element);
  END CASE;
EXCEPTION WHEN OTHERS THEN
  RETURN QUERY SELECT 0, NULL::jsonb;
END
$$;

-- The clean list and the words about it.
CREATE OR REPLACE FUNCTION projection.project_items(raw text, pedido_id integer, OUT items jsonb, OUT avisos text[])
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  one record;
  item jsonb;
  kept jsonb[] := '{}';  -- grows in place; a jsonb list is written anew for each item
BEGIN
  avisos := '{}';
  items := '[]';
  IF projection.is_blank(raw) THEN
    RETURN;
  END IF;
  FOR one IN SELECT place, element FROM projection.read_elements(raw) ORDER BY place LOOP
    item := projection.project_item(one.element, pedido_id, one.place);
    IF item IS NULL THEN
      avisos := '{item_ilegivel}';
    ELSE
      kept := kept || item;
    END IF;
  END LOOP;
  items := to_jsonb(kept);
EXCEPTION WHEN OTHERS THEN
  items := '[]';
  avisos := '{items_ilegiveis}';
END
$$;
