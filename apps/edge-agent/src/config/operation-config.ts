import { z } from 'zod';

const loopback = new Set(['127.0.0.1', '::1', 'localhost']);

/** Where the health, the metrics and the status of a box are read. Off the network unless somebody opens it. */
export const localApiSchema = z
  .object({
    enabled: z.boolean().default(true),
    socket: z
      .string()
      .min(1)
      .optional()
      .describe('Path of a unix socket. Default, when no port is given: agent.sock in the data directory.'),
    host: z.string().min(1).default('127.0.0.1'),
    port: z.number().int().min(0).max(65_535).optional().describe('A TCP port in the place of the socket; 0: any.'),
    allowNetwork: z.boolean().default(false).describe('Lets host be an address that other machines reach.'),
  })
  .strict()
  .refine(({ host, allowNetwork }) => allowNetwork || loopback.has(host), {
    path: ['host'],
    message: 'not a loopback address: set allowNetwork too',
  })
  .refine(({ socket, port }) => socket === undefined || port === undefined, {
    path: ['socket'],
    message: 'either a socket or a port',
  })
  .prefault({});
export type LocalApiConfig = z.output<typeof localApiSchema>;

/** How the agent bounds itself. */
export const memorySchema = z
  .object({
    maximumMegabytes: z
      .number()
      .int()
      .min(100)
      .max(65_536)
      .default(450)
      .describe('Resident memory beyond which the agent opens its recogniser anew, and then starts anew.'),
  })
  .strict()
  .prefault({});
