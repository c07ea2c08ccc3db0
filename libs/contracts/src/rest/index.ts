export * from './common.js';
export * from './devices.js';
export * from './faces.js';
export * from './identification.js';
export * from './people.js';
export * from './quarantine.js';
export * from './sightings.js';
export * from './verification.js';
