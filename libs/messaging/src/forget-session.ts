import { connectMqtt, type ConnectMqttOptions } from './connect-mqtt.js';
import { untilAborted } from './until-aborted.js';

/**
 * Ends the persistent session of a client that does not come back: its subscriptions (and with them its part of every
 * group) and what is queued for it are gone (MQTT 3.1.1, section 3.1.2.4). A client that is connected with this id loses
 * its connection.
 *
 * @throws the signal's reason once it is aborted
 */
export async function forgetSession(options: Omit<ConnectMqttOptions, 'clean'>, signal: AbortSignal): Promise<void> {
  const connection = await connectMqtt({ ...options, clean: true });
  try {
    const connected = new Promise<void>((resolve) => {
      if (connection.connected) resolve();
      else connection.on('connected', () => resolve());
    });
    await untilAborted(connected, signal);
  } finally {
    await connection.close();
  }
}
