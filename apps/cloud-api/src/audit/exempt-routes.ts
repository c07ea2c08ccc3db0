/**
 * The routes whose requests leave no entry in the audit, each with the reason.
 *
 * The rule: a route that reads or changes biometric or personal data, or who has access to it, leaves an entry. It says
 * so by `@Audited` or `@AuditedChange` where it is written, or its change calls `Audit.record` in its transaction. A test
 * (`audit-coverage.test.ts`) asks every operation of the OpenAPI document and fails for one that leaves no entry and does
 * not stand here. A change that a generated request cannot bring about stands in that test. Public routes are not asked:
 * nobody acts in them.
 */
export const exemptRoutes: Readonly<Record<string, string>> = {
  // Boxes: states and settings of machines, which name nobody.
  'GET /v1/devices': 'machines',
  'GET /v1/devices/{deviceId}': 'a machine',
  'GET /v1/devices/{deviceId}/health': 'figures of a machine',
  'GET /v1/devices/{deviceId}/certificates': 'public keys of a machine',
  'GET /v1/devices/{deviceId}/desired-config': 'settings of a machine',
  'GET /v1/devices/{deviceId}/commands/{commandId}': 'what became of a command; its issue is recorded',
  'GET /v1/edge-caches': 'counts for each box',
  // Settings, whose changes are recorded.
  'GET /v1/consent-policy': 'a setting',
  'GET /v1/decision-policy': 'a setting',
  'GET /v1/retention': 'a setting',
  'GET /v1/alert-policy': 'a setting',
  'GET /v1/alert-subscriptions': 'settings, without their secrets',
  'GET /v1/alert-subscriptions/{id}': 'a setting, without its secret',
  'POST /v1/alert-subscriptions/{id}/test': 'sends a message about nobody; changes nothing',
  'GET /v1/image-sites': 'settings',
  'GET /v1/stranger-clustering': 'a setting',
  'POST /v1/retention/preview': 'counts; changes nothing',
  'GET /v1/template-keys': 'ids of keys and counts',
  'GET /v1/image-keys': 'public keys',
  'GET /v1/people/duplicates/search': 'how far a search is',
  // Proofs of erasures, which name a random id alone.
  'GET /v1/erasures': 'names nobody',
  'GET /v1/erasures/{id}': 'names nobody',
  // A box sends what it has seen itself: that is no access, over REST as little as over MQTT. Whoever lists or opens
  // images is recorded.
  'POST /v1/image-uploads': 'a box announces an image of its own sighting',
  'HEAD /v1/image-uploads/{digest}': 'how many bytes have come from the box',
  'PATCH /v1/image-uploads/{digest}': 'a box sends an image of its own sighting, sealed',
  // Access. Making and revoking a key is recorded.
  'GET /v1/api-keys': 'keys without their secrets',
  'POST /v1/tokens': 'stands for its key, in whose name all that it does is recorded',
  // The chain would grow by each look at it, and an anchor kept outside be overtaken at once.
  'GET /v1/audit': 'ids and words alone',
  'GET /v1/audit/head': 'a hash',
  'GET /v1/audit/verify': 'hashes',
  // Counts and figures, of no person.
  'GET /v1/analytics/summary': 'counts',
  'GET /v1/analytics/traffic': 'counts',
  'GET /v1/analytics/traffic.csv': 'counts',
  'GET /v1/analytics/people': 'counts',
  'GET /v1/analytics/occupancy': 'counts',
  'GET /v1/analytics/occupancy.csv': 'counts',
  'GET /v1/analytics/distributions': 'counts',
  'GET /v1/analytics/distributions.csv': 'counts',
  'POST /v1/analytics/rebuild': 'counts anew what is counted already',
  'GET /v1/drift': 'figures of cameras',
  'GET /v1/drift/{deviceId}': 'figures of cameras',
  'GET /v1/drift-policy': 'a setting',
  'GET /v1/retraining': 'a setting',
  'GET /v1/labelled-sets': 'sizes of sets; whoever exports one is recorded',
  'GET /v1/labelled-sets/{id}': 'size of a set; whoever exports it is recorded',
  'GET /v1/evaluations': 'figures of models',
  'GET /v1/evaluations/{id}': 'figures of models',
  'GET /v1/proposals': 'figures of models',
  'GET /v1/proposals/{id}': 'figures of models',
  // The platform's own key has no tenant whose chain could hold an entry. What it does to a tenant is in that one's.
  'GET /v1/tenants': 'tenants, which are no people',
  'GET /v1/gallery': 'counts of the installation',
  'POST /v1/gallery/rebuild': 'shows nobody anything',
  'DELETE /v1/gallery/followers/{id}': 'shows nobody anything',
};
