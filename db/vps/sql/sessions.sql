-- What ends sessions early and slows down who guesses passwords. The schema `auth` is the VPS's own: nothing
-- replicates into it. Its one writer, the role `ponte_auth`, has no right on the tables: it may run a few
-- functions, so that whoever steals its password can neither bring a session back nor read a digest.

-- How long one must wait after so many failures, of which some are free: doubling, up to five minutes.
CREATE OR REPLACE FUNCTION auth.pause(failures integer, free integer) RETURNS interval
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog AS $$
  SELECT CASE WHEN failures < free THEN interval '0'
              ELSE least(300, 2 ^ least(failures - free, 20)) * interval '1 second' END
$$;

-- Count an attempt before the password is checked, so that many at once can't slip by, and return 0; or
-- return how many seconds to wait, and count nothing. An account has 5 free failures, an address, behind
-- which a whole shop may stand, has 30; after a quarter of an hour without any, all is forgotten.
CREATE OR REPLACE FUNCTION auth.take(account bytea, address bytea) RETURNS double precision
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  waiting double precision;
  aged_before timestamptz := clock_timestamp() - interval '1 hour';  -- a constant: the index is of use
BEGIN
  DELETE FROM auth.attempts AS old USING (
    SELECT a.subject FROM auth.attempts AS a WHERE a.last_at < aged_before
     LIMIT 100 FOR UPDATE SKIP LOCKED) AS aged
   WHERE old.subject = aged.subject;
  -- Who must wait already leaves nothing behind.
  SELECT extract(epoch FROM max(a.blocked_until) - clock_timestamp()) INTO waiting
    FROM auth.attempts AS a WHERE a.subject IN (account, address);
  IF waiting > 0 THEN
    RETURN waiting;
  END IF;
  INSERT INTO auth.attempts (subject) VALUES (account), (address) ON CONFLICT DO NOTHING;
  PERFORM FROM auth.attempts AS a WHERE a.subject IN (account, address) ORDER BY a.subject FOR UPDATE;
  SELECT extract(epoch FROM max(a.blocked_until) - clock_timestamp()) INTO waiting
    FROM auth.attempts AS a WHERE a.subject IN (account, address);
  IF waiting > 0 THEN
    RETURN waiting;
  END IF;
  UPDATE auth.attempts AS a
     SET failures = counted.failures,
         last_at = clock_timestamp(),
         blocked_until = clock_timestamp()
           + auth.pause(counted.failures, CASE WHEN a.subject = account THEN 5 ELSE 30 END)
    FROM (SELECT b.subject,
                 CASE WHEN b.last_at < clock_timestamp() - interval '15 minutes' THEN 1
                      ELSE b.failures + 1 END AS failures
            FROM auth.attempts AS b WHERE b.subject IN (account, address)) AS counted
   WHERE a.subject = counted.subject;
  RETURN 0;
END
$$;

-- The password was right: the account begins anew, and the address has this one attempt back.
CREATE OR REPLACE FUNCTION auth.settle(account bytea, address bytea) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  DELETE FROM auth.attempts AS a WHERE a.subject = account;
  UPDATE auth.attempts AS a
     SET failures = greatest(a.failures - 1, 0),
         blocked_until = CASE WHEN a.failures <= 30 THEN NULL ELSE a.blocked_until END
   WHERE a.subject = address;
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

REVOKE EXECUTE ON FUNCTION auth.pause(integer, integer), auth.take(bytea, bytea), auth.settle(bytea, bytea),
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
