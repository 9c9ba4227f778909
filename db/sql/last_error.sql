-- Tell whoever watches the last error of this database's subscription, from the server's log: how many seconds ago,
-- the SQLSTATE, and the words. It tells nothing where no JSON log is kept, or where it can't be known whose error it
-- was; and no words where the SQLSTATE is one whose words may quote a row. Details, contexts and statements, which
-- quote rows, stay in the log.
CREATE OR REPLACE FUNCTION {schema}.last_error(OUT age_s double precision, OUT sqlstate text, OUT said text)
RETURNS SETOF record
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  kept text := pg_current_logfile('jsonlog');
  log text := CASE WHEN kept ~ '^(/|[A-Za-z]:)' THEN kept ELSE current_setting('data_directory') || '/' || kept END;
  tail constant bigint := 262144;
  size bigint := (pg_stat_file(log, true)).size;
  piece bytea := pg_read_binary_file(log, greatest(0, size - tail), tail, true);
BEGIN
  IF piece IS NULL THEN
    RETURN;
  END IF;
  IF size > tail THEN
    piece := substring(piece FROM position('\x0a'::bytea IN piece) + 1);
  END IF;
  RETURN QUERY
    SELECT extract(epoch FROM clock_timestamp() - (found.line ->> 'timestamp')::timestamptz)::double precision,
           found.line ->> 'state_code',
           CASE WHEN found.line ->> 'state_code' !~ '^(22|23|P0)' THEN found.line ->> 'message' END
      FROM (SELECT one.line::jsonb AS line, one.place
              FROM regexp_split_to_table(convert_from(piece, 'UTF8'), '\n') WITH ORDINALITY AS one (line, place)
             WHERE one.line LIKE '{"timestamp":%}' AND one.line LIKE '%"backend_type":"logical replication%') AS found
     WHERE found.line ->> 'error_severity' IN ('ERROR', 'FATAL')
       AND found.line ->> 'backend_type' ~ '^logical replication .*worker$'
       AND found.line ->> 'state_code' <> '57P01'
       AND EXISTS (SELECT FROM pg_subscription AS s JOIN pg_database AS d ON d.oid = s.subdbid
                    WHERE d.datname = current_database()
                      AND (found.line ->> 'context' LIKE '%"pg\_' || s.oid || '"%'
                           OR NOT found.line ? 'context'
                              AND (SELECT count(*) FROM pg_subscription AS other WHERE other.subenabled) = 1))
     ORDER BY found.place DESC
     LIMIT 1;
EXCEPTION
  WHEN insufficient_privilege OR undefined_file OR character_not_in_repertoire OR untranslatable_character
       OR invalid_text_representation OR invalid_datetime_format OR datetime_field_overflow THEN
    RETURN;
END
$$;
REVOKE EXECUTE ON FUNCTION {schema}.last_error() FROM PUBLIC;
