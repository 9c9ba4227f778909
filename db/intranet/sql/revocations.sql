-- SGP's logouts. The token itself never lands here: its row's arrival only tells the worker to look.
CREATE OR REPLACE FUNCTION projection.project_revoked_tokens() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  PERFORM pg_notify('ponte_revogacao', '');
  RETURN NULL;
END
$$;
