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

-- A list of objects as the window holds it, and the bytes of the largest. What leaves under its own name is named
-- here: the PWA prints every key that it does not know, so this is a list of what goes, not of what stays. An item has
-- its own id where a phone's number can hold it.
CREATE OR REPLACE FUNCTION projection.project_list(list jsonb, pedido_id integer, first_place integer)
RETURNS TABLE (items jsonb, largest integer)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT jsonb_agg(made.item), max(pg_column_size(made.item))
    FROM (
      SELECT jsonb_strip_nulls(
               (t.texts - '{descricao,observacao,largura,altura,emenda,emenda_qtd}'::text[]) || jsonb_build_object(
                 'id', CASE
                   WHEN jsonb_typeof(i.item -> 'id') = 'number' AND abs((i.item -> 'id')::numeric) >= 1e15 THEN i.place
                   WHEN i.item ->> 'id' ~ '^[0-9]{1,15}$' THEN (i.item ->> 'id')::bigint
                   ELSE i.place END,
                 'indice', first_place + i.ord - 1,
                 'descricao', coalesce(t.texts ->> 'descricao', ''),
                 'especificacoes', concat_ws(E'\n',
                   nullif(concat_ws(' x ', projection.item_metres(t.texts ->> 'largura'),
                                    projection.item_metres(t.texts ->> 'altura')), '') || ' m',
                   t.texts ->> 'tecido',
                   'Acabamento: ' || nullif(concat_ws(', ',
                     CASE WHEN i.item -> 'acabamento' -> 'overloque' = 'true' THEN 'overloque' END,
                     CASE WHEN i.item -> 'acabamento' -> 'elastico' = 'true' THEN 'elástico' END,
                     CASE WHEN i.item -> 'acabamento' -> 'ilhos' = 'true' THEN 'ilhós' END), ''),
                   CASE WHEN t.texts ->> 'emenda' !~* '^sem' THEN
                     'Emenda: ' || (t.texts ->> 'emenda') || coalesce(' (' || (t.texts ->> 'emenda_qtd') || ')', '')
                   END),
                 'observacoes', coalesce(t.texts ->> 'observacao', ''),
                 'imagem_id', CASE WHEN jsonb_typeof(i.item -> 'imagem') = 'string'
                   THEN substring(left(i.item ->> 'imagem', 100) FROM '^/pedidos/imagens/([0-9]{1,9})$')::integer END
               )) AS item
        FROM (SELECT e.item, e.ord, pedido_id::bigint * 1000 + first_place + e.ord - 1 AS place
                FROM jsonb_array_elements(list) WITH ORDINALITY AS e (item, ord)) AS i
       CROSS JOIN LATERAL (
         SELECT coalesce(jsonb_object_agg(v.key, projection.item_line(v.key, v.value)), '{}') AS texts
           FROM jsonb_each(i.item) AS v
          WHERE v.key IN (
            'descricao', 'observacao', 'largura', 'altura', 'emenda', 'emenda_qtd',  -- not under their names
            'tipo_producao', 'vendedor', 'designer', 'tecido', 'tipo_acabamento', 'composicao_tecidos',
            'quantidade_ilhos', 'espaco_ilhos', 'quantidade_cordinha', 'espaco_cordinha', 'quantidade_paineis',
            'quantidade_totem', 'quantidade_lona', 'quantidade_adesivo', 'terceirizado', 'ziper', 'cordinha_extra',
            'alcinha', 'toalha_pronta', 'rip_maquina', 'data_impressao', 'perfil_cor', 'tecido_fornecedor',
            'status_arte')) AS t
      OFFSET 0  -- made once, though it is used twice
    ) AS made
$$;

-- One item; NULL for an element that is no item at all.
CREATE OR REPLACE FUNCTION projection.project_item(item jsonb, pedido_id integer, place integer) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT AS $$
BEGIN
  IF jsonb_typeof(item) = 'string' THEN
    item := jsonb_build_object('descricao', projection.item_note(item));
    IF item ->> 'descricao' IS NULL THEN
      RETURN NULL;
    END IF;
  ELSIF jsonb_typeof(item) <> 'object' THEN
    RETURN NULL;
  END IF;
  RETURN (SELECT l.items -> 0 FROM projection.project_list(jsonb_build_array(item), pedido_id, place) AS l);
END
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

-- Tell whether something of a list was cut off.
CREATE OR REPLACE FUNCTION projection.is_cut_list(items jsonb, largest integer) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  RETURN largest > 4096 AND EXISTS (
    SELECT FROM jsonb_array_elements(items) AS i WHERE projection.is_cut_item(i.value));
END
$$;

-- The elements of a list whose text is broken, or is none. `place` counts from 0; an element that can't be read comes
-- as SQL NULL.
CREATE OR REPLACE FUNCTION projection.read_broken(raw text) RETURNS TABLE (place integer, element jsonb)
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  IF projection.count_of(raw, '[') + projection.count_of(raw, '{') + projection.count_of(raw, ',')
     + projection.count_of(raw, '"') > 30000 OR projection.count_of(raw, '\') > 200000 THEN
    -- No order has so many parts, and taking them apart would keep the others waiting for more than a second.
    RETURN QUERY SELECT 0, NULL::jsonb;
  ELSIF raw ~ '^\s*\[' THEN
    RETURN QUERY SELECT s.place, projection.try_jsonb(s.element) FROM projection.split_elements(raw) AS s
                  ORDER BY s.place;
  ELSE
    RETURN QUERY SELECT 0, projection.try_jsonb((projection.split_elements('[' || raw || ']')).element);
  END IF;
END
$$;

-- How often one ASCII letter stands in a text; what that takes is given back at once.
CREATE OR REPLACE FUNCTION projection.count_of(given text, letter text) RETURNS integer
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  RETURN octet_length(given) - octet_length(replace(given, letter, ''));
END
$$;

-- Tell whether JSON text has more parts than any order: read, each of them takes 32 bytes and more.
CREATE OR REPLACE FUNCTION projection.is_many(raw text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  IF octet_length(raw) <= 500000 THEN
    RETURN false;
  END IF;
  IF octet_length(raw) > 33554432 THEN
    RETURN true;
  END IF;
  RETURN projection.count_of(raw, ',') + projection.count_of(raw, ':') + projection.count_of(raw, '[')
       + projection.count_of(raw, '{') > 500000;
END
$$;

-- Tell whether something of an item was cut off, by the ellipsis that stands there.
CREATE OR REPLACE FUNCTION projection.is_cut_item(item jsonb) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  RETURN pg_column_size(item) > 4096 AND EXISTS (
    SELECT FROM jsonb_each_text(item) AS v
     WHERE length(v.value) >= CASE WHEN v.key IN ('descricao', 'observacoes') THEN 262144 ELSE 4096 END
       AND v.value LIKE '%…%');
END
$$;

-- The clean list and the words about it: at most 1,000 items, and 1 MB of them. What would be too much is
-- left off, and what comes after it may still have room.
CREATE OR REPLACE FUNCTION projection.project_items(raw text, pedido_id integer, OUT items jsonb, OUT avisos text[])
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  parsed jsonb;
  places integer[];  -- where the elements stood, in a list that was broken
  item jsonb;
  kept jsonb[] := '{}';  -- grows in place; a jsonb list is written anew for each item
  held bigint := 0;
  unread boolean := false;
  left_off boolean := false;
  is_cut boolean := false;
BEGIN
  avisos := '{}';
  items := '[]';
  IF octet_length(raw) <= 33554432 THEN
    raw := raw || '';  -- read once from where it is stored
    WHILE left(raw, 1) = E'\ufeff' LOOP
      raw := substr(raw, 2);
    END LOOP;
  END IF;
  IF projection.is_many(raw) THEN
    avisos := '{itens_demais}';
    RETURN;
  END IF;
  IF projection.is_blank(raw) THEN
    RETURN;
  END IF;
  parsed := projection.try_jsonb(raw);
  IF jsonb_typeof(parsed) = 'null' THEN
    RETURN;
  END IF;
  IF jsonb_typeof(parsed) = 'object' THEN
    parsed := jsonb_build_array(parsed);
  END IF;
  IF jsonb_typeof(parsed) IS DISTINCT FROM 'array' THEN
    SELECT jsonb_agg(b.element), array_agg(b.place) INTO parsed, places FROM projection.read_broken(raw) AS b;
  ELSIF octet_length(raw) <= 131072 AND projection.is_list(parsed) THEN  -- not too much whatever is in it
    SELECT l.items, projection.is_cut_list(l.items, l.largest) INTO items, is_cut
      FROM projection.project_list(parsed, pedido_id, 0) AS l;
    avisos := CASE WHEN is_cut THEN '{texto_cortado}' ELSE '{}' END;
    RETURN;
  END IF;
  raw := NULL;  -- it may be large
  FOR ord IN 0 .. coalesce(jsonb_array_length(parsed), 0) - 1 LOOP
    left_off := left_off OR cardinality(kept) >= 1000 OR ord >= 10000;
    EXIT WHEN cardinality(kept) >= 1000 OR ord >= 10000;
    item := projection.project_item(parsed -> ord, pedido_id, coalesce(places[ord + 1], ord));
    IF item IS NULL THEN
      unread := true;
    ELSIF held + pg_column_size(item) > 1048576 THEN
      left_off := true;
    ELSE
      kept := kept || item;
      held := held + pg_column_size(item);
      is_cut := is_cut OR projection.is_cut_item(item);
    END IF;
  END LOOP;
  items := to_jsonb(kept);
  avisos := array_remove(ARRAY[CASE WHEN unread THEN 'item_ilegivel' END, CASE WHEN left_off THEN 'itens_demais' END,
                               CASE WHEN is_cut THEN 'texto_cortado' END], NULL);
END
$$;
