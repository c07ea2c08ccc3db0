import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface Certificate {
  readonly certificateFile: string;
  readonly keyFile: string;
}

/** An authority of a test, with OpenSSL's own little database, that signs and revokes. */
export class Authority {
  readonly #folder: string;
  #count = 0;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async create(folder: string): Promise<Authority> {
    await mkdir(folder, { recursive: true });
    const authority = new Authority(folder);
    await writeFile(authority.#path('index.txt'), '');
    await writeFile(authority.#path('serial'), '1000\n');
    await writeFile(authority.#path('crlnumber'), '01\n');
    await writeFile(authority.#path('ca.cnf'), configuration(folder));
    const subject = ['-subj', '/CN=Test authority', '-days', '2', '-out', authority.file];
    await run('openssl', ['req', '-x509', ...newKey(authority.#path('ca.key')), ...subject]);
    await authority.#list();
    return authority;
  }

  /** Its certificate. */
  get file(): string {
    return this.#path('ca.pem');
  }

  /** What it has revoked. */
  get revocationListFile(): string {
    return this.#path('crl.pem');
  }

  /** @param validFor as `openssl ca` takes it: dates of its beginning and end, UTC */
  async issue(name: string, validFor: readonly string[] = ['-days', '1']): Promise<Certificate> {
    this.#count += 1;
    const base = this.#path(`${name.replaceAll('/', '-')}-${this.#count}`);
    const [certificateFile, keyFile, requestFile] = [`${base}.pem`, `${base}.key`, `${base}.csr`];
    // The slash would begin another part of the name.
    const subject = `/CN=${name.replaceAll('/', '\\/')}`;
    await run('openssl', ['req', '-new', ...newKey(keyFile), '-subj', subject, '-out', requestFile]);
    await this.#ca(['-batch', '-notext', ...validFor, '-in', requestFile, '-out', certificateFile]);
    return { certificateFile, keyFile };
  }

  async revoke({ certificateFile }: Certificate): Promise<void> {
    await this.#ca(['-revoke', certificateFile]);
    await this.#list();
  }

  async #list(): Promise<void> {
    await this.#ca(['-gencrl', '-out', this.revocationListFile]);
  }

  async #ca(args: readonly string[]): Promise<void> {
    await run('openssl', ['ca', '-config', this.#path('ca.cnf'), ...args]);
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }
}

const newKey = (file: string): readonly string[] => [
  ...['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', file],
];

function configuration(folder: string): string {
  return `[ca]
default_ca = test
[test]
database = ${folder}/index.txt
serial = ${folder}/serial
crlnumber = ${folder}/crlnumber
new_certs_dir = ${folder}
certificate = ${folder}/ca.pem
private_key = ${folder}/ca.key
default_md = sha256
default_crl_days = 2
unique_subject = no
policy = any
x509_extensions = leaf
[any]
commonName = supplied
[leaf]
subjectAltName = IP:127.0.0.1
`;
}
