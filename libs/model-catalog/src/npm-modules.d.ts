// The npm client's own libraries ship no types; these declare what is used here.

declare module 'pacote' {
  interface ExtractOptions extends Readonly<Record<string, unknown>> {
    readonly integrity: string;
    readonly signal?: AbortSignal;
  }
  const pacote: {
    extract(spec: string, folder: string, options: ExtractOptions): Promise<unknown>;
  };
  export default pacote;
}

declare module '@npmcli/config' {
  interface ConfigOptions {
    readonly npmPath: string;
    readonly definitions: unknown;
    readonly shorthands: unknown;
    readonly flatten: unknown;
    readonly nerfDarts: unknown;
    readonly argv: readonly string[];
    readonly warn: boolean;
  }
  export default class Config {
    constructor(options: ConfigOptions);
    load(): Promise<void>;
    readonly flat: Readonly<Record<string, unknown>>;
  }
}

declare module '@npmcli/config/lib/definitions/index.js' {
  const npmDefinitions: {
    readonly definitions: unknown;
    readonly shorthands: unknown;
    readonly flatten: unknown;
    readonly nerfDarts: unknown;
  };
  export default npmDefinitions;
}
