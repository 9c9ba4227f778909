-- What of a broken list can be read, and how much of a text is looked at at all.

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
