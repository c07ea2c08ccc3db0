export { startIdentityProvider, type IdentityProvider } from './identity-provider.js';
export { routesOf, routesOfController, type Route } from './routes.js';
