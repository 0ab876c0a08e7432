/** The one table of routes: what the router serves, `openapi.ts` describes and the tests walk. */
import type { Route } from './route.ts';
import { blobRoutes } from './routes-blobs.ts';
import { fleetRoutes } from './routes-fleet.ts';
import { jobPartRoutes } from './routes-job-parts.ts';
import { jobRoutes } from './routes-jobs.ts';
import { logRoutes } from './routes-log.ts';
import { pageRoutes } from './routes-page.ts';
import { probeRoutes } from './routes-probes.ts';
import { tenantRoutes } from './routes-tenants.ts';

export const routes: readonly Route[] = [
  ...jobRoutes,
  ...jobPartRoutes,
  ...blobRoutes,
  ...fleetRoutes,
  ...tenantRoutes,
  ...logRoutes,
  ...probeRoutes,
  ...pageRoutes,
];
