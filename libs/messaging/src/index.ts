export type { ClientCertificate } from './broker/access-control.js';
export { mosquittoAccessList, mosquittoServices } from './broker/mosquitto-access-list.js';
export { deviceUsername, type BrokerIdentity } from './broker/authorisation.js';
export * from './broker/embedded-broker.js';
export { certificatesFrom, type CertificateFiles, type MqttTls, type MqttTlsSource } from './certificates.js';
export * from './connect-mqtt.js';
export * from './deferred-ack-server.js';
export { forgetSession } from './forget-session.js';
export type * from './mqtt-connection.js';
