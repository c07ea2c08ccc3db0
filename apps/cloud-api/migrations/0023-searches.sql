-- Who somebody is now: whoever they were merged into, at the end of all merges.
CREATE FUNCTION cloud.present_person(of_tenant text, of_person uuid) RETURNS uuid LANGUAGE sql STABLE AS $$
  WITH RECURSIVE same AS (
    SELECT id, merged_into FROM cloud.person WHERE tenant_id = of_tenant AND id = of_person
    UNION
    SELECT next.id, next.merged_into FROM cloud.person next JOIN same ON next.id = same.merged_into
    WHERE next.tenant_id = of_tenant
  )
  SELECT id FROM same WHERE merged_into IS NULL
$$;
