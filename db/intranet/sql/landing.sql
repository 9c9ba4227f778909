-- What landing keeps of an order's items, whatever SGP wrote, and how it is made (docs/adr/0040).

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

-- The same where nothing may stop apply: what fails for a reason that nobody thought of is an order without items, and
-- with digits that no text has: whoever compares finds it, and it is cleaned when SGP's text comes again.
CREATE OR REPLACE FUNCTION projection.try_land(raw text) RETURNS text
LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN projection.land_items(raw);
EXCEPTION WHEN OTHERS THEN
  RAISE WARNING 'items of an order could not be cleaned: SQLSTATE %', SQLSTATE;
  RETURN chr(29) || '----i[]';
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
  -- As it was, or cleaned by `reproject`. What landed before it was kept so is cleaned with each change of the row.
  IF TG_OP = 'UPDATE' AND left(NEW.items, 1) = chr(29)
     AND (NEW.items = OLD.items OR NEW.items = projection.landed(OLD.items)) THEN
    RETURN NEW;
  END IF;
  written := md5(convert_to(NEW.items, 'UTF8'));
  IF TG_OP = 'UPDATE' AND starts_with(OLD.items, chr(29) || left(written::text, 4))
     AND EXISTS (SELECT FROM projection.cleaned AS c WHERE c.id = NEW.id AND c.digest = written) THEN
    NEW.items := OLD.items;
    RETURN NEW;
  END IF;
  IF current_setting('ponte.projects', true) IS DISTINCT FROM 'freely' AND projection.is_guarded() THEN
    NEW.items := projection.try_land(NEW.items);
  ELSE
    NEW.items := projection.land_items(NEW.items);
  END IF;
  INSERT INTO projection.cleaned AS c VALUES (NEW.id, written)
  ON CONFLICT ON CONSTRAINT cleaned_pkey DO UPDATE SET digest = excluded.digest;
  RETURN NEW;
END
$$;

-- Forget which texts were cleaned of orders that are on landing no more; of all such where none is named.
CREATE OR REPLACE FUNCTION projection.forget_cleaned(gone bigint[] DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  DELETE FROM projection.cleaned AS c
   WHERE c.id = ANY (coalesce(gone, ARRAY(SELECT e.id FROM projection.cleaned AS e)))
     AND NOT EXISTS (SELECT FROM public.pedidos AS l WHERE l.id = c.id);
END
$$;

-- The same of what landed before it was kept so.
CREATE OR REPLACE FUNCTION projection.landed(items text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN left(items, 1) = chr(29) THEN items || '' ELSE projection.land_items(items || '') END
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
