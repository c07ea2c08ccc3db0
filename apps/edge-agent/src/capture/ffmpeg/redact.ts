import type { VideoSourceConfig } from '../../config/camera-config.js';

const ADDRESS = /([a-z][a-z0-9+.-]*):\/\/([^\s"]*)/gi;

/**
 * Takes out of a text what it must not tell: of every address all but its scheme and host (user, password, path and
 * query may each be secret), the password wherever else it stands, and the name of a file, which may be a person's.
 */
export function redactorOf(source: VideoSourceConfig): (text: string) => string {
  const secrets = secretsOf(source);
  return (text) => {
    const without = text.replace(ADDRESS, (_, scheme: string, rest: string) => {
      const authority = rest.split(/[/?#]/, 1)[0] ?? '';
      return `${scheme}://${authority.slice(authority.lastIndexOf('@') + 1).replace(/['’:]+$/, '')}/…`;
    });
    return secrets.reduce((left, secret) => left.replaceAll(secret, '…'), without);
  };
}

function secretsOf(source: VideoSourceConfig): readonly string[] {
  if (source.kind === 'file') return [source.path, source.path.replace(/^.*\//, '')].filter((text) => text.length > 0);
  if (source.kind === 'v4l2') return [];
  const { password } = new URL(source.url);
  return [password, decoded(password)].filter((text) => text.length > 0);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
