/** The one table of routes: what the router serves, `openapi.ts` describes and the tests walk. */
import type { Route } from './route.ts';
import { blobRoutes } from './routes-blobs.ts';
import { jobPartRoutes } from './routes-job-parts.ts';
import { jobRoutes } from './routes-jobs.ts';
import { probeRoutes } from './routes-probes.ts';

export const routes: readonly Route[] = [...jobRoutes, ...jobPartRoutes, ...blobRoutes, ...probeRoutes];
