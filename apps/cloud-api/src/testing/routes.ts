import { RequestMethod } from '@nestjs/common';
import { METHOD_METADATA, PATH_METADATA, SSE_METADATA } from '@nestjs/common/constants.js';
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

function routesOfController(controller: { readonly prototype: object }): Route[] {
  const prefix = metadata<string>(PATH_METADATA, controller) ?? '';
  return Object.getOwnPropertyNames(controller.prototype).flatMap((name) => {
    const handler = (controller.prototype as Handlers)[name];
    if (typeof handler !== 'function') return [];
    const method = metadata<RequestMethod>(METHOD_METADATA, handler);
    const isStream = metadata<boolean>(SSE_METADATA, handler) ?? false;
    if (method === undefined && !isStream) return [];
    const verb = RequestMethod[method ?? RequestMethod.GET];
    const path = [prefix, metadata<string>(PATH_METADATA, handler) ?? ''].filter((part) => part !== '' && part !== '/');
    return [{ name: `${verb} ${path.join('/')}`, handler, controller }];
  });
}

function metadata<T>(key: string, target: object): T | undefined {
  return Reflect.getMetadata(key, target) as T | undefined;
}
