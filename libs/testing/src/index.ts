export * from './free-port.js';
export * from './mosquitto.js';
