-- How one value of SGP's becomes a value of the window. Each function answers NULL for what it can't
-- read and raises nothing; whether that deserves a word in `avisos` is for the caller to say.
--
-- No text costs more than its reading: what is longer than anybody's is cut, or not read, before a pattern or a
-- normalization sees it (docs/adr/0035).

-- A text of one line for people, 4,096 letters at most; where more was cut off stands an ellipsis.
CREATE OR REPLACE FUNCTION projection.cut_line(value text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN octet_length(value) <= 4096 OR octet_length(value) <= 16384 AND length(value) <= 4096 THEN value
              ELSE left(value, 4095) || '…' END
$$;

-- The same of a note, 262,144 letters at most.
CREATE OR REPLACE FUNCTION projection.cut_note(value text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN octet_length(value) <= 262144 OR octet_length(value) <= 1048576 AND length(value) <= 262144
              THEN value
              ELSE left(value, 262143) || '…' END
$$;

-- Tell whether one of some texts is so long that something of it is cut; `note` is one that may be longer.
CREATE OR REPLACE FUNCTION projection.is_cut(note text, VARIADIC lines text[]) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  line text;
BEGIN
  IF octet_length(note) > 262144 AND (octet_length(note) > 1048576 OR length(note) > 262144) THEN
    RETURN true;
  END IF;
  FOREACH line IN ARRAY lines LOOP
    IF octet_length(line) > 4096 AND (octet_length(line) > 16384 OR length(line) > 4096) THEN
      RETURN true;
    END IF;
  END LOOP;
  RETURN false;
END
$$;

-- Tell whether there was text to read at all. Trimming takes twelve bytes for each letter, so a text of any length
-- is taken for one.
CREATE OR REPLACE FUNCTION projection.is_blank(value text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT value IS NULL OR octet_length(value) <= 100000 AND btrim(value, E' \t\r\n\f\u000b\u00a0') = ''
$$;

-- '403.00', '20,00', '1.234,56', 'R$ 5,00', '1.955.00': the last separator is the decimal one.
CREATE OR REPLACE FUNCTION projection.parse_odd_money(value text) RETURNS numeric
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  bare text;
  digits text;
  cents text;
  whole text;
BEGIN
  IF octet_length(value) > 262144 THEN
    RETURN NULL;
  END IF;
  bare := translate(replace(upper(value), 'R$', ''), E', \t\u00a0', '.');
  digits := ltrim(bare, '-');
  cents := split_part(digits, '.', -1);
  whole := translate(left(digits, length(digits) - length(cents)), '.', '');
  IF digits ~ '[^0-9.]' OR length(bare) - length(digits) > 1 THEN
    RETURN NULL;
  END IF;
  IF position('.' IN digits) = 0 THEN
    whole := cents;
    cents := '';
  END IF;
  IF length(ltrim(whole, '0')) > 11 OR whole || cents = '' THEN
    RETURN NULL;
  END IF;
  RETURN round((left(bare, length(bare) - length(digits)) || '0' || whole || '.' || left(cents, 20) || '0')::numeric,
               2);
END
$$;

CREATE OR REPLACE FUNCTION projection.parse_money(value text) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN octet_length(value) <= 14 AND value ~ '^[0-9]{1,11}[.,][0-9]{2}$' THEN replace(value, ',', '.')::numeric
              ELSE projection.parse_odd_money(value) END
$$;

-- 'YYYY-MM-DD' with anything after a 'T' or a blank, 'YYYYMMDD', or 'dd/mm/yyyy'.
CREATE OR REPLACE FUNCTION projection.parse_odd_date(value text) RETURNS date
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  ymd text[] := coalesce(
    regexp_match(value, '^\s*([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})(?:[T ].*)?\s*$'),
    regexp_match(value, '^\s*([0-9]{4})([0-9]{2})([0-9]{2})\s*$'));
  dmy text[];
BEGIN
  IF ymd IS NULL THEN
    dmy := regexp_match(value, '^\s*([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})\s*$');
    ymd := ARRAY[dmy[3], dmy[2], dmy[1]];
  END IF;
  IF pg_input_is_valid(ymd[1] || '-' || ymd[2] || '-' || ymd[3], 'date') THEN
    RETURN make_date(ymd[1]::int, ymd[2]::int, ymd[3]::int);
  END IF;
  RETURN NULL;
END
$$;

-- The same; the usual form, of a day that every month has, costs a tenth.
CREATE OR REPLACE FUNCTION projection.parse_date(value text) RETURNS date
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE
    WHEN value = '' OR octet_length(value) > 1000 THEN NULL
    WHEN value ~ '^[1-9][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])$'
    THEN make_date(left(value, 4)::integer, substr(value, 6, 2)::integer, right(value, 2)::integer)
    ELSE projection.parse_odd_date(value)
  END
$$;

-- SGP's times are naive UTC in one variant of its schema and aware in the other.
CREATE OR REPLACE FUNCTION projection.to_utc(value timestamp) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT value AT TIME ZONE 'UTC'
$$;

CREATE OR REPLACE FUNCTION projection.to_utc(value timestamptz) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT value
$$;

-- One of the five statuses; NULL for a word that SGP does not know either. `lower` alone leaves accented
-- capitals as they are where the database's locale is C.
CREATE OR REPLACE FUNCTION projection.parse_odd_status(value text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  RETURN CASE WHEN octet_length(value) > 1000 THEN NULL ELSE
    CASE translate(lower(btrim(normalize(coalesce(value, ''), NFC), E' \t\r\n\f\u000b\u00a0')), 'ÇÃÍ', 'çãí')
    WHEN '' THEN 'pendente'
    WHEN 'pendente' THEN 'pendente'
    WHEN 'penden' THEN 'pendente'
    WHEN 'em_producao' THEN 'em_producao'
    WHEN 'em producao' THEN 'em_producao'
    WHEN 'em produção' THEN 'em_producao'
    WHEN 'emproducao' THEN 'em_producao'
    WHEN 'pronto' THEN 'pronto'
    WHEN 'entregue' THEN 'entregue'
    WHEN 'concluido' THEN 'entregue'
    WHEN 'concluído' THEN 'entregue'
    WHEN 'cancelado' THEN 'cancelado'
  END END;
END
$$;

CREATE OR REPLACE FUNCTION projection.parse_status(value text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN value IN ('pendente', 'em_producao', 'pronto', 'entregue', 'cancelado') THEN value
              ELSE projection.parse_odd_status(value) END
$$;

-- 'Cidade||UF' today, 'Cidade - UF' in older rows, or the city alone. Gives {cidade, uf}.
CREATE OR REPLACE FUNCTION projection.split_city(value text) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  value := projection.cut_line(value);
  RETURN CASE
    WHEN value LIKE '%||%' THEN
      ARRAY[btrim(split_part(value, '||', 1)), upper(btrim(split_part(value, '||', 2)))]
    WHEN value ~ '\s-\s*[A-Za-z]{2}\s*$' THEN
      ARRAY[btrim(regexp_replace(value, '\s+-\s*[A-Za-z]{2}\s*$', '')), upper(right(btrim(value), 2))]
    ELSE ARRAY[btrim(coalesce(value, '')), '']
  END;
END
$$;

-- Tell whether JSON text may use up the server's stack, which takes some ten thousand brackets in one another: where
-- there are so many at all, and some stand deeper than a hundred. Then brackets are looked at alone, and pairs
-- go, the innermost first, a level at a time.
CREATE OR REPLACE FUNCTION projection.is_deep(value text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  left_over text;
  paired text;
BEGIN
  IF 2 * octet_length(value) - octet_length(replace(value, '[', '')) - octet_length(replace(value, '{', '')) < 8000
  THEN
    RETURN false;
  END IF;
  left_over := regexp_replace(regexp_replace(value, '"(?:[^"\\]|\\.)*"?', '', 'g'), '[^][{}]+', '', 'g');
  IF strpos(translate(left_over, '{', '['), repeat('[', 201)) > 0 THEN
    RETURN true;  -- a round takes two of such a row at most; to go round for each of 100,000 takes 0.2 s
  END IF;
  FOR level IN 1 .. 100 LOOP
    paired := replace(replace(left_over, '[]', ''), '{}', '');
    EXIT WHEN paired = left_over;
    left_over := paired;
  END LOOP;
  RETURN left_over ~ '[[{]';
END
$$;

-- Read JSON, or answer NULL: also for depth, surrogates, \u0000 and numbers beyond what jsonb holds.
CREATE OR REPLACE FUNCTION projection.try_jsonb(value text) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  IF octet_length(value) >= 8000 AND projection.is_deep(value) THEN
    RETURN NULL;
  END IF;
  RETURN CASE WHEN pg_input_is_valid(value, 'jsonb') THEN value::jsonb END;
END
$$;
