import { RequestMethod } from '@nestjs/common';
import { METHOD_METADATA, PATH_METADATA } from '@nestjs/common/constants.js';
import { ModulesContainer } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';

/** A REST route as Nest knows it. */
export interface Route {
  /** `GET v1/people/:id` */
  readonly name: string;
  readonly handler: object;
  readonly controller: object;
}

type Handlers = Readonly<Record<string, object | undefined>>;

/** Every REST route of an application, of whatever module. */
export function routesOf(app: NestFastifyApplication): readonly Route[] {
  const controllers = [...app.get(ModulesContainer).values()].flatMap((module) => [...module.controllers.values()]);
  return controllers.flatMap(({ metatype }) => (metatype ? routesOfController(metatype as { prototype: object }) : []));
}

/** Every REST route of a controller. */
export function routesOfController(controller: { readonly prototype: object }): Route[] {
  const prefix = text(PATH_METADATA, controller);
  return Object.getOwnPropertyNames(controller.prototype).flatMap((name) => {
    const handler = (controller.prototype as Handlers)[name];
    if (typeof handler !== 'function') return [];
    const method = Reflect.getMetadata(METHOD_METADATA, handler) as RequestMethod | undefined;
    if (method === undefined) return [];
    const path = [prefix, text(PATH_METADATA, handler)].filter((part) => part !== '' && part !== '/');
    return [{ name: `${RequestMethod[method]} ${path.join('/')}`, handler, controller }];
  });
}

function text(key: string, target: object): string {
  const value: unknown = Reflect.getMetadata(key, target);
  return typeof value === 'string' ? value : '';
}
