-- What ends sessions early and slows down who guesses passwords. The schema `auth` is the VPS's own: nothing
-- replicates into it. Its one writer, the role `ponte_auth`, has no right on the tables: it may run a few
-- functions, so that whoever steals its password can neither bring a session back nor read a digest.

-- How long one must wait after so many failures, of which some are free: doubling, up to five minutes.
CREATE OR REPLACE FUNCTION auth.pause(failures integer, free integer) RETURNS interval
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog AS $$
  SELECT CASE WHEN failures < free THEN interval '0'
              ELSE least(300, 2 ^ least(failures - free, 20)) * interval '1 second' END
$$;

-- By which way somebody may try who is known here: a device that kept a token of ours, else an address from which
-- this name has come in within ninety days; null for a stranger. Nobody else's failures are counted against it.
CREATE OR REPLACE FUNCTION auth.find_known(account bytea, address bytea) RETURNS bytea
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
  SELECT coalesce(
    CASE WHEN length(account) > 32 THEN sha256('device'::bytea || account) END,
    (SELECT k.subject FROM auth.known AS k
      WHERE k.subject = sha256(substring(account FROM 1 FOR 32) || address)
        AND k.last_at > clock_timestamp() - interval '90 days'))
$$;

-- Count an attempt before the password is checked, so that many at once can't slip by, and return 0; or
-- return how many seconds to wait, and count nothing. account: the digest of the name, behind it that of the token
-- that the device kept, if it did.
--
-- Strangers are counted by name, by address, behind which a whole shop may stand, and by both; while a name must
-- wait, an address that has not tried it within a day may once, and these are counted by name, too. After a
-- quarter of an hour without any, failures are forgotten. Who is known is counted alone (docs/adr/0009).
CREATE OR REPLACE FUNCTION auth.take(account bytea, address bytea) RETURNS double precision
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  name bytea := substring(account FROM 1 FOR 32);
  pair bytea := sha256(name || address);
  fresh bytea := sha256('fresh'::bytea || name);
  known bytea := auth.find_known(account, address);
  subjects bytea[] := CASE WHEN known IS NULL THEN ARRAY[name, address, pair] ELSE ARRAY[known] END;
  waiting double precision;
  aged_before timestamptz := clock_timestamp() - interval '1 day';  -- a constant: the index is of use
BEGIN
  DELETE FROM auth.attempts AS old USING (
    SELECT a.subject FROM auth.attempts AS a WHERE a.last_at < aged_before
     LIMIT 100 FOR UPDATE SKIP LOCKED) AS aged
   WHERE old.subject = aged.subject;
  IF known IS NULL
     AND EXISTS (SELECT FROM auth.attempts AS a WHERE a.subject = name AND a.blocked_until > clock_timestamp())
     AND NOT EXISTS (SELECT FROM auth.attempts AS a WHERE a.subject = pair AND a.last_at >= aged_before) THEN
    subjects[1] := fresh;
  END IF;
  -- Who must wait already leaves nothing behind.
  SELECT extract(epoch FROM max(a.blocked_until) - clock_timestamp()) INTO waiting
    FROM auth.attempts AS a WHERE a.subject = ANY (subjects);
  IF waiting > 0 THEN
    RETURN waiting;
  END IF;
  INSERT INTO auth.attempts (subject) SELECT unnest(subjects) ON CONFLICT DO NOTHING;
  PERFORM FROM auth.attempts AS a WHERE a.subject = ANY (subjects) ORDER BY a.subject FOR UPDATE;
  SELECT extract(epoch FROM max(a.blocked_until) - clock_timestamp()) INTO waiting
    FROM auth.attempts AS a WHERE a.subject = ANY (subjects);
  IF waiting > 0 THEN
    RETURN waiting;
  END IF;
  UPDATE auth.attempts AS a
     SET failures = counted.failures,
         last_at = clock_timestamp(),
         blocked_until = clock_timestamp()
           + auth.pause(counted.failures, CASE a.subject WHEN address THEN 30 WHEN fresh THEN 100 ELSE 5 END)
    FROM (SELECT b.subject,
                 CASE WHEN b.last_at < clock_timestamp() - interval '15 minutes' THEN 1
                      ELSE b.failures + 1 END AS failures
            FROM auth.attempts AS b WHERE b.subject = ANY (subjects)) AS counted
   WHERE a.subject = counted.subject;
  RETURN 0;
END
$$;

-- The password was right: the way that was taken begins anew, the address has this one attempt back, and from now on
-- the name is known there. Others' failures stay counted against the name, as far as strangers go.
CREATE OR REPLACE FUNCTION auth.settle(account bytea, address bytea) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  name bytea := substring(account FROM 1 FOR 32);
  pair bytea := sha256(name || address);
  known bytea := auth.find_known(account, address);
  own integer := (SELECT a.failures FROM auth.attempts AS a WHERE a.subject = pair);
BEGIN
  DELETE FROM auth.attempts AS a WHERE a.subject IN (known, pair);
  IF known IS NULL THEN
    DELETE FROM auth.attempts AS a WHERE a.subject = name AND a.failures <= own;
    UPDATE auth.attempts AS a
       SET failures = a.failures - own,
           blocked_until = CASE WHEN a.failures - own < 5 THEN NULL ELSE a.blocked_until END
     WHERE a.subject = name AND own IS NOT NULL;
    UPDATE auth.attempts AS a
       SET failures = greatest(a.failures - 1, 0),
           blocked_until = CASE WHEN a.failures <= 30 THEN NULL ELSE a.blocked_until END
     WHERE a.subject = address;
  END IF;
  INSERT INTO auth.known AS k (subject) VALUES (pair)
  ON CONFLICT ON CONSTRAINT known_pkey DO UPDATE SET last_at = clock_timestamp();
  DELETE FROM auth.known AS k WHERE k.last_at < clock_timestamp() - interval '90 days';
END
$$;

-- End a session, in every process: what is written down is heard as any change of the window is.
CREATE OR REPLACE FUNCTION auth.revoke(digest bytea, expires_at timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  DELETE FROM auth.revoked AS r WHERE r.expires_at < clock_timestamp();
  INSERT INTO auth.revoked VALUES ($1, $2) ON CONFLICT DO NOTHING;
  INSERT INTO guard.mudancas (tabela, chave) VALUES ('revoked', 0);
  PERFORM pg_notify('vitrine', 'revoked');
END
$$;

REVOKE EXECUTE ON FUNCTION auth.pause(integer, integer), auth.find_known(bytea, bytea), auth.take(bytea, bytea), auth.settle(bytea, bytea),
  auth.revoke(bytea, timestamptz) FROM public;

-- How long this VPS lets people log in without word from the intranet: the API writes down what it was told, so
-- that whoever watches shows what is so here and not what was meant. Nothing is written where it is the same.
CREATE OR REPLACE FUNCTION auth.tell_offline_bound(seconds double precision) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
  INSERT INTO auth.offline_bound AS b (seconds) VALUES ($1)
  ON CONFLICT (id) DO UPDATE SET seconds = excluded.seconds WHERE b.seconds <> excluded.seconds
$$;

REVOKE EXECUTE ON FUNCTION auth.tell_offline_bound(double precision) FROM public;

-- By which keys the API here opens passwords: their marks, which tell no key. Returns whether it has the one that the
-- worker seals with now, whose mark arrives as user 0's; null where none has come.
CREATE OR REPLACE FUNCTION auth.tell_key_marks(marks bytea[]) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
  INSERT INTO auth.key_marks AS m (marks) VALUES ($1)
  ON CONFLICT (id) DO UPDATE SET marks = excluded.marks WHERE m.marks <> excluded.marks;
  SELECT c.digest = ANY ($1) FROM vitrine.credenciais AS c WHERE c.user_id = 0
$$;

-- The same for whoever watches, by what the API told last; null too where it told nothing.
CREATE OR REPLACE FUNCTION auth.has_key() RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
  SELECT c.digest = ANY (m.marks) FROM auth.key_marks AS m, vitrine.credenciais AS c WHERE c.user_id = 0
$$;

REVOKE EXECUTE ON FUNCTION auth.tell_key_marks(bytea[]), auth.has_key() FROM public;
