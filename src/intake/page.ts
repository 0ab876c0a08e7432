/** The page at `/`: says what answers here and how to use it. Whole in itself: nothing is loaded from elsewhere. */
export const frontPage = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Berth</title>
<style>
  :root { color-scheme: light dark; }
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 42rem; margin: 3rem auto; padding: 0 1rem; }
  code, pre { font: 14px/1.5 ui-monospace, monospace; }
  pre { padding: 1rem; border: 1px solid; border-radius: 4px; overflow-x: auto; }
  li { margin: .25rem 0; }
</style>
</head>
<body>
<main>
<h1>Berth</h1>
<p>A controller for GPU jobs. Every job is a state machine, every step a fact on one durable log.</p>
<h2>From a terminal</h2>
<pre>npx berth job submit wasm/hello.wasm --wait -- world
npx berth job list
npx berth job explain ID
npx berth slot list
npx berth queue
npx berth log tail --follow</pre>
<h2>Over HTTP</h2>
<p>Everything under <code>/v1</code> wants <code>Authorization: Bearer TOKEN</code>, signed with a tenant's key; the
command line makes such tokens.</p>
<ul>
<li><a href="/v1/jobs">/v1/jobs</a>: jobs</li>
<li><a href="/v1/slots">/v1/slots</a>: GPUs and who holds what</li>
<li><a href="/v1/queue">/v1/queue</a>: who waits and why</li>
<li><a href="/v1/log">/v1/log</a>: the facts</li>
<li><a href="/metrics">/metrics</a>, <a href="/readyz">/readyz</a>: for machines that watch</li>
<li><a href="/openapi.json">/openapi.json</a>, <a href="/asyncapi.json">/asyncapi.json</a>: the whole interface</li>
</ul>
</main>
</body>
</html>
`;
