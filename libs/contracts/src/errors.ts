interface ErrorDefinition {
  /** HTTP status of the problem document (RFC 9457). */
  readonly status: number;
  /** The problem's title: the same for every occurrence. */
  readonly title: string;
}

/** Every code that may reach a client, by area. A code never changes its meaning. */
export const errorDefinitions = {
  'REQUEST.INVALID': { status: 400, title: 'The request does not fit its schema' },
  'REQUEST.TOO_LARGE': { status: 413, title: 'The request is larger than the limit' },
  'REQUEST.UNSUPPORTED_MEDIA_TYPE': { status: 415, title: 'The media type is not supported' },
  'REQUEST.NOT_FOUND': { status: 404, title: 'No such resource' },
  'REQUEST.RANGE_NOT_SATISFIABLE': { status: 416, title: 'The range lies outside of the file' },
  'REQUEST.RATE_LIMITED': { status: 429, title: 'Too many requests' },
  'REQUEST.TIMEOUT': { status: 408, title: 'The request did not arrive in time' },
  'REQUEST.ABORTED': { status: 400, title: 'The client closed the connection' },
  'ACCESS.UNAUTHENTICATED': { status: 401, title: 'A valid API key or token is required' },
  'ACCESS.FORBIDDEN': { status: 403, title: 'The credentials do not allow this' },
  'ACCESS.TENANT_SUSPENDED': { status: 403, title: 'The tenant is suspended' },
  'ACCESS.KEYS_UNAVAILABLE': { status: 503, title: 'The keys that tokens are verified with cannot be had' },
  'TENANT.NOT_FOUND': { status: 404, title: 'No such tenant' },
  'TENANT.ALREADY_EXISTS': { status: 409, title: 'A tenant with this id exists' },
  'API_KEY.NOT_FOUND': { status: 404, title: 'No such API key' },
  'API_KEY.FROM_ENVIRONMENT': { status: 409, title: 'The API key is configured where the service is started' },
  'IMAGE.UNREADABLE': { status: 422, title: 'The image cannot be read' },
  'IMAGE.UNSUPPORTED_FORMAT': { status: 415, title: 'The file is not an image of a supported format' },
  'IMAGE.TOO_LARGE': { status: 413, title: 'The image has too many pixels' },
  'IMAGE.TOO_SMALL': { status: 422, title: 'The image is too small to hold a face' },
  'ENROLMENT.NO_FACE': { status: 422, title: 'No face was found in the photo' },
  'ENROLMENT.SEVERAL_FACES': { status: 422, title: 'More than one face was found in the photo' },
  'ENROLMENT.LOW_QUALITY': { status: 422, title: 'The face is not good enough to enrol' },
  'VERIFICATION.NO_FACE': { status: 422, title: 'No face was found in one of the photos' },
  'VERIFICATION.SEVERAL_FACES': { status: 422, title: 'More than one face was found in one of the photos' },
  'VERIFICATION.LOW_QUALITY': { status: 422, title: 'A face is not good enough to verify' },
  'PERSON.NOT_FOUND': { status: 404, title: 'No such person' },
  'PERSON.NOT_ERASED': { status: 404, title: 'Nobody with this id was erased' },
  'PERSON.DUPLICATE_EXTERNAL_ID': { status: 409, title: 'Another person has this external id' },
  'PERSON.NOT_ENROLLED': { status: 409, title: 'The person has no template of the active model space' },
  'DEVICE.NOT_FOUND': { status: 404, title: 'No such device' },
  'DEVICE.ALREADY_EXISTS': { status: 409, title: 'A device with this id exists' },
  'COMMAND.NOT_FOUND': { status: 404, title: 'No such command of this device' },
  'TEMPLATE.INVALID': { status: 422, title: 'The template is malformed' },
  'TEMPLATE.WRONG_DIMENSION': { status: 422, title: 'The template has another dimension than its model space' },
  'TEMPLATE.MISSING': { status: 422, title: 'The sighting has no template that was good enough to compare' },
  'TEMPLATE.FOREIGN_SPACE': { status: 409, title: 'The template belongs to another model space' },
  'TEMPLATE.FOREIGN_KEY': { status: 409, title: 'The template was protected with another key' },
  'CALIBRATION.INVALID': { status: 422, title: 'The calibration is not valid' },
  'CALIBRATION.RATE_NOT_MEASURED': { status: 422, title: 'The false-match rate lies outside the measured range' },
  'PRESENTATION.NOT_LIVE': { status: 422, title: 'The presentation does not look live enough for this camera' },
  'PRESENTATION.NOT_ASSESSED': { status: 422, title: 'The camera requires a live presentation, and none was scored' },
  'SIGHTING.NOT_FOUND': { status: 404, title: 'No such sighting' },
  'SIGHTING.INVALID': { status: 422, title: 'The record has values that cannot be' },
  'SIGHTING.FOREIGN': { status: 409, title: 'The sighting belongs to another device' },
  'MQTT.UNKNOWN_TOPIC': { status: 400, title: 'The topic is not a channel of a device' },
  'MQTT.MALFORMED_MESSAGE': { status: 400, title: 'The message cannot be decoded' },
  'MQTT.MESSAGE_TOO_LARGE': { status: 413, title: 'The message is larger than its channel allows' },
  'MQTT.FOREIGN_PREFIX': { status: 403, title: 'A device may use its own topics alone' },
  'RELEASE.UNAVAILABLE': { status: 503, title: 'No verified release is active yet' },
  'RELEASE.NOT_FOUND': { status: 404, title: 'No such release' },
  'RELEASE.UNTRUSTED': { status: 502, title: 'The release cannot be trusted' },
  'RELEASE.UNREACHABLE': { status: 503, title: 'The release repository cannot be reached' },
  'RELEASE.STORAGE_FAILED': { status: 503, title: 'The release store cannot be written to' },
  'RELEASE.CORRUPT': { status: 502, title: 'A file of the release is truncated or changed' },
  'RELEASE.SELF_TEST_FAILED': { status: 502, title: 'The release failed its self-test' },
  'MODEL.INVALID': { status: 422, title: 'The model file or its manifest is not valid' },
  'MODEL.NOT_EQUIVALENT': { status: 422, title: 'The rewritten model does not answer as its source does' },
  'MODEL.SOURCE_UNAVAILABLE': { status: 502, title: 'The source of the model cannot be reached' },
  'DATABASE.UNAVAILABLE': { status: 503, title: 'The database cannot be reached' },
  'DATABASE.CONFLICT': { status: 503, title: 'Another change was in the way' },
  'SERVICE.UNAVAILABLE': { status: 503, title: 'A part of the service is not ready' },
  'SERVICE.INTERNAL': { status: 500, title: 'Something went wrong inside the service' },
} as const satisfies Record<string, ErrorDefinition>;

export type PublicErrorCode = keyof typeof errorDefinitions;

/** The definition of a code; an unknown one is reported as an internal error, its details kept inside. */
export function errorDefinition(code: string): ErrorDefinition & { readonly code: PublicErrorCode } {
  const known = Object.hasOwn(errorDefinitions, code) ? (code as PublicErrorCode) : 'SERVICE.INTERNAL';
  return { code: known, ...errorDefinitions[known] };
}
