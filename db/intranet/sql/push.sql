-- What the push reads and moves on its slot. Its role has no REPLICATION: these functions, whose owner may, name
-- the slot and the publications by themselves, from what `ponte apply` declared for that role.

CREATE OR REPLACE FUNCTION push.require(which text) RETURNS push.ways
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  way push.ways;
BEGIN
  SELECT * INTO way FROM push.ways AS w WHERE w.subscriber = which AND w.role = session_user;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'role % pushes nothing to %', session_user, which USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN way;
END
$$;
REVOKE EXECUTE ON FUNCTION push.require(text) FROM public;

-- Be the only one who pushes there, for as long as the session lasts; false where another is.
CREATE OR REPLACE FUNCTION push.hold(which text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  PERFORM push.require(which);
  RETURN pg_try_advisory_lock(hashtextextended('ponte-push ' || which, 0));
END
$$;
REVOKE EXECUTE ON FUNCTION push.hold(text) FROM public;

-- Where a way stands: who we are, what arrived, what the slot has forgotten, whether it is lost or was made anew.
CREATE OR REPLACE FUNCTION push.look(
  which text, OUT source text, OUT arrived pg_lsn, OUT slot name, OUT is_lost boolean, OUT is_new boolean,
  OUT publications text[])
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  way push.ways := push.require(which);
BEGIN
  source := (SELECT c.system_identifier FROM pg_control_system() AS c) || '/' || way.incarnation;
  arrived := way.arrived::pg_lsn;
  publications := way.publications;
  SELECT s.slot_name, s.wal_status = 'lost' OR s.confirmed_flush_lsn > pg_current_wal_lsn(),
         way.incarnation IS NULL OR s.confirmed_flush_lsn > way.advanced::pg_lsn
    INTO slot, is_lost, is_new
    FROM pg_replication_slots AS s WHERE s.slot_name = way.slot;
END
$$;
REVOKE EXECUTE ON FUNCTION push.look(text) FROM public;

-- The newest version that this vitrine has given: whoever holds a newer one had it before a backup was put back.
CREATE OR REPLACE FUNCTION push.given_versao(which text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  PERFORM push.require(which);
  RETURN (SELECT s.last_value FROM projection.versao_seq AS s);
END
$$;
REVOKE EXECUTE ON FUNCTION push.given_versao(text) FROM public;

-- What has been committed up to a place and not been confirmed, as pgoutput writes it: whole transactions, the last
-- of which may go far beyond so many changes.
--
-- One statement, because decoding empties the session's caches, and whatever is asked afterwards is planned anew.
CREATE OR REPLACE FUNCTION push.peek(which text, upto pg_lsn, changes integer) RETURNS TABLE (message bytea)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog
SET "DateStyle" = 'ISO, MDY' SET "IntervalStyle" = 'postgres' SET "TimeZone" = 'UTC' SET extra_float_digits = 3
SET bytea_output = 'hex' AS $$
  SELECT c.data
    FROM push.require(which) AS way,
         pg_logical_slot_peek_binary_changes(
           way.slot, upto, changes, 'proto_version', '1', 'publication_names',
           (SELECT string_agg(quote_ident(p), ',') FROM unnest(way.publications) AS p)) AS c
$$;
REVOKE EXECUTE ON FUNCTION push.peek(text, pg_lsn, integer) FROM public;

-- Wait until something is written behind a place, or for so long; return up to where. The server looks every few
-- milliseconds: that costs it little, and the network nothing.
CREATE OR REPLACE FUNCTION push.wait(past pg_lsn, pause double precision, longest double precision) RETURNS pg_lsn
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  until timestamptz := clock_timestamp() + make_interval(secs => longest);
BEGIN
  WHILE pg_current_wal_flush_lsn() <= past AND clock_timestamp() < until LOOP
    PERFORM pg_sleep(pause);
  END LOOP;
  RETURN pg_current_wal_flush_lsn();
END
$$;
REVOKE EXECUTE ON FUNCTION push.wait(pg_lsn, double precision, double precision) FROM public;

-- Note what arrived, then let the slot forget it. What the note loses of a crash is sent again. A slot that keeps
-- far more than it has confirmed reads all that again each time: it needs a place from which to begin later.
CREATE OR REPLACE FUNCTION push.advance(which text, upto pg_lsn, landed pg_lsn) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  way push.ways := push.require(which);
BEGIN
  UPDATE push.ways AS w
     SET advanced = upto::text, arrived = coalesce(landed::text, w.arrived), arrived_at = clock_timestamp()
   WHERE w.subscriber = which;
  PERFORM pg_replication_slot_advance(way.slot, upto);
  IF (SELECT upto - s.restart_lsn > 16384 FROM pg_replication_slots AS s WHERE s.slot_name = way.slot) THEN
    PERFORM pg_log_standby_snapshot();
  END IF;
END
$$;
REVOKE EXECUTE ON FUNCTION push.advance(text, pg_lsn, pg_lsn) FROM public;

-- Begin anew: all that is committed by now is to be read from the tables, what comes later from the slot.
CREATE OR REPLACE FUNCTION push.begin(which text) RETURNS pg_lsn
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  way push.ways := push.require(which);
  upto pg_lsn := greatest(
    pg_current_wal_flush_lsn(),
    (SELECT s.confirmed_flush_lsn FROM pg_replication_slots AS s WHERE s.slot_name = way.slot));
BEGIN
  UPDATE push.ways AS w
     SET incarnation = gen_random_uuid()::text, advanced = upto::text, arrived = NULL, arrived_at = NULL
   WHERE w.subscriber = which;
  PERFORM pg_replication_slot_advance(way.slot, upto);
  RETURN upto;
END
$$;
REVOKE EXECUTE ON FUNCTION push.begin(text) FROM public;

-- Leave word for whoever watches: why nothing goes out, how far a first copy has come, which beat has arrived.
CREATE OR REPLACE FUNCTION push.tell_fault(which text, kind text, said text, advice text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  PERFORM push.require(which);
  UPDATE push.ways AS w
     SET cause = kind, fault = said, hint = advice,
         fault_at = CASE WHEN kind IS NULL THEN NULL WHEN w.cause = kind THEN w.fault_at ELSE clock_timestamp() END
   WHERE w.subscriber = which AND (w.cause, w.fault, w.hint) IS DISTINCT FROM (kind, said, advice);
END
$$;
REVOKE EXECUTE ON FUNCTION push.tell_fault(text, text, text, text) FROM public;

CREATE OR REPLACE FUNCTION push.tell_copy(which text, done bigint, total bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  PERFORM push.require(which);
  UPDATE push.ways AS w SET copied_rows = done, rows_to_copy = total WHERE w.subscriber = which;
END
$$;
REVOKE EXECUTE ON FUNCTION push.tell_copy(text, bigint, bigint) FROM public;

CREATE OR REPLACE FUNCTION push.tell_beat(which text, beat_number bigint, beaten_at timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  PERFORM push.require(which);
  UPDATE push.ways AS w SET beat = beat_number, beat_at = beaten_at, beat_arrived_at = clock_timestamp()
   WHERE w.subscriber = which;
END
$$;
REVOKE EXECUTE ON FUNCTION push.tell_beat(text, bigint, timestamptz) FROM public;
