-- name: errors
-- whether a subscription may run, and how often its workers have failed
SELECT s.subenabled, c.apply_error_count, c.sync_error_count
  FROM pg_subscription s
  LEFT JOIN pg_stat_subscription_stats c ON c.subid = s.oid
 WHERE s.subname = %s AND s.subdbid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database());

-- name: as_apply
-- write as apply does, for the length of a transaction, and wait for nobody
SELECT set_config('session_replication_role', 'replica', true), set_config('lock_timeout', '3s', true);

-- name: triggers
-- a table's triggers that fire under apply and are not Ponte's
SELECT t.tgname
  FROM pg_trigger t
  JOIN pg_proc p ON p.oid = t.tgfoid
 WHERE t.tgrelid = format('%%I.%%I', %s::text, %s::text)::regclass AND NOT t.tgisinternal AND t.tgenabled IN ('A', 'R')
   AND p.pronamespace::regnamespace::text NOT IN ('guard', 'projection', 'auth', 'worker')
 ORDER BY 1;

-- name: columns
-- an index's columns; none where it is on an expression
SELECT a.attname
  FROM pg_index i
  JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
 WHERE i.indexrelid = to_regclass(format('%%I.%%I', %s::text, %s::text)) AND 0 <> ALL (i.indkey);
