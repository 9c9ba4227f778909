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

-- One item as landing keeps it; NULL for an element that is no item at all.
CREATE OR REPLACE FUNCTION projection.clean_item(item jsonb) RETURNS jsonb
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
  RETURN projection.clean_list(jsonb_build_array(item)) -> 0;
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
     WHERE length(v.value) >= CASE WHEN v.key IN ('descricao', 'observacao') THEN 262144 ELSE 4096 END
       AND v.value LIKE '%…%');
END
$$;

-- What an order's items are kept as on landing, whatever SGP wrote: GS, four digits that tell one text from
-- another, a letter for each word about it (i: an item could not be read, d: there were too many, c: something was cut
-- off), and the clean list. Whoever reads the whole cluster reads no more of them than the window shows and is made of;
-- four digits are enough to compare with SGP, and not to find out by trying what was left out (docs/adr/0040).
CREATE OR REPLACE FUNCTION projection.land_items(raw text) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE STRICT AS $$
DECLARE
  digits text := left(md5(convert_to(raw, 'UTF8')), 4);
  parsed jsonb := projection.read_plain(raw);
BEGIN
  RETURN chr(29) || digits
    || CASE WHEN projection.is_list(parsed) THEN projection.word_list(projection.clean_list(parsed))
            ELSE projection.clean_items(raw) END;
END
$$;

-- Before a row of orders lands. SGP sends its items with each change of it: a text that was cleaned already is known by
-- its digest. What `land` makes an update of is clean.
CREATE OR REPLACE FUNCTION projection.clean() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  written uuid;
BEGIN
  IF NEW.items IS NULL OR pg_trigger_depth() > 1 THEN
    RETURN NEW;
  END IF;
  IF TG_OP = 'UPDATE' AND (NEW.items = OLD.items OR NEW.items = projection.landed(OLD.items)) THEN
    RETURN NEW;
  END IF;
  written := md5(convert_to(NEW.items, 'UTF8'));
  IF TG_OP = 'UPDATE' AND starts_with(OLD.items, chr(29) || left(written::text, 4))
     AND EXISTS (SELECT FROM projection.cleaned AS c WHERE c.id = NEW.id AND c.digest = written) THEN
    NEW.items := OLD.items;
    RETURN NEW;
  END IF;
  NEW.items := projection.land_items(NEW.items);
  INSERT INTO projection.cleaned AS c VALUES (NEW.id, written)
  ON CONFLICT ON CONSTRAINT cleaned_pkey DO UPDATE SET digest = excluded.digest;
  RETURN NEW;
END
$$;

-- The same of what landed before it was kept so.
CREATE OR REPLACE FUNCTION projection.landed(items text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN left(items, 1) = chr(29) THEN items || '' ELSE projection.land_items(items || '') END
$$;

-- A clean list, and the word that something of it was cut off.
CREATE OR REPLACE FUNCTION projection.word_list(cleaned jsonb) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
  IF pg_column_size(cleaned) > 4096 AND EXISTS (
    SELECT FROM jsonb_array_elements(cleaned) AS i WHERE projection.is_cut_item(i.value)) THEN
    RETURN 'c' || cleaned::text;
  END IF;
  RETURN cleaned::text;
END
$$;

-- The clean list and the words about it: at most 1,000 items, and 1 MB of them. What would be too much is
-- left off, and what comes after it may still have room.
CREATE OR REPLACE FUNCTION projection.clean_items(raw text) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
  parsed jsonb;
  places integer[];  -- where the elements stood, in a list that was broken
  place integer;
  item jsonb;
  kept jsonb[] := '{}';  -- grows in place; a jsonb list is written anew for each item
  held bigint := 0;
  size integer;
  unread boolean := false;
  left_off boolean := false;
  is_cut boolean := false;
BEGIN
  IF projection.is_many(raw) THEN
    RETURN 'd[]';
  END IF;
  WHILE left(raw, 1) = E'\ufeff' LOOP
    raw := substr(raw, 2);
  END LOOP;
  IF projection.is_blank(raw) THEN
    RETURN '[]';
  END IF;
  parsed := projection.try_jsonb(raw);
  IF jsonb_typeof(parsed) = 'null' THEN
    RETURN '[]';
  END IF;
  IF jsonb_typeof(parsed) = 'object' THEN
    parsed := jsonb_build_array(parsed);
  END IF;
  IF jsonb_typeof(parsed) IS DISTINCT FROM 'array' THEN
    SELECT jsonb_agg(b.element), array_agg(b.place) INTO parsed, places FROM projection.read_broken(raw) AS b;
  ELSIF octet_length(raw) <= 131072 AND projection.is_list(parsed) THEN  -- not too much whatever is in it
    RETURN projection.word_list(projection.clean_list(parsed));
  END IF;
  raw := NULL;  -- it may be large
  FOR ord IN 0 .. coalesce(jsonb_array_length(parsed), 0) - 1 LOOP
    left_off := left_off OR cardinality(kept) >= 1000 OR ord >= 10000;
    EXIT WHEN cardinality(kept) >= 1000 OR ord >= 10000;
    item := projection.clean_item(parsed -> ord);
    IF item IS NULL THEN
      unread := true;
      CONTINUE;
    END IF;
    size := (SELECT pg_column_size(s.items -> 0) FROM projection.show_list(jsonb_build_array(item), 0) AS s);
    IF held + size > 1048576 THEN
      left_off := true;
    ELSE
      place := coalesce(places[ord + 1], ord);
      IF place <> cardinality(kept) THEN
        item := item || jsonb_build_object('indice', place);
      END IF;
      kept := kept || item;
      held := held + size;
      is_cut := is_cut OR projection.is_cut_item(item);
    END IF;
  END LOOP;
  RETURN concat(CASE WHEN unread THEN 'i' END, CASE WHEN left_off THEN 'd' END, CASE WHEN is_cut THEN 'c' END,
                to_jsonb(kept));
END
$$;

-- The words in `avisos` for the letters that stand before a list on landing.
CREATE OR REPLACE FUNCTION projection.say_words(letters text) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN coalesce(letters, '') = '' THEN '{}'::text[] ELSE
    array_remove(ARRAY[CASE WHEN strpos(letters, 'i') > 0 THEN 'item_ilegivel' END,
                       CASE WHEN strpos(letters, 'd') > 0 THEN 'itens_demais' END,
                       CASE WHEN strpos(letters, 'c') > 0 THEN 'texto_cortado' END], NULL) END
$$;

-- What an order's items are shown as, whatever SGP wrote: the two steps in one.
CREATE OR REPLACE FUNCTION projection.project_items(raw text, pedido_id integer, OUT items jsonb, OUT avisos text[])
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
  landed text := projection.landed(raw);
  list integer := strpos(landed, '[');
BEGIN
  items := coalesce((SELECT s.items FROM projection.show_list(substr(landed, list)::jsonb, pedido_id) AS s), '[]');
  avisos := projection.say_words(substr(landed, 6, list - 6));
END
$$;
