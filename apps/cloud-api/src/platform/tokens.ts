// Injection tokens of what comes from outside of Nest.
export const CONFIG = Symbol('CloudApiConfig');
export const DATABASE = Symbol('Database');
export const CLOCK = Symbol('Clock');
export const LOGGER = Symbol('Logger');
export const GALLERY = Symbol('Gallery');
export const GALLERY_INDEX = Symbol('GalleryIndex');
export const RELEASE_SOURCE = Symbol('ReleaseSource');
export const KEY_STORE = Symbol('PersonKeyStore');
export const MQTT = Symbol('MqttConnection');
export const JOBS = Symbol('Jobs');
