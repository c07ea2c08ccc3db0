export * from './default-bundle.js';
export * from './free-port.js';
export * from './mosquitto.js';
export * from './open-api.js';
export * from './redis.js';
export * from './sample-photos.js';
