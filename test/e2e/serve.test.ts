/** A running program as its operator sees it: what it prints, logs and measures, and what it keeps to itself. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { install } from '../support/installation.js';
import { type LogLine, type Served, serve } from '../support/program.js';
import { sharedPostgres } from '../support/services/postgres.js';
import { until } from '../support/until.js';
import { openEventStream } from './event-stream.js';
import { figures, readiness, subscribers } from './expectations.js';

vi.setConfig({ testTimeout: 120_000 });

const PASSWORDS = { admin: 'admin-demo', operator: 'operator-demo', viewer: 'viewer-demo' };

describe('dev mode', () => {
  let dev: Served;
  beforeAll(async () => {
    dev = await serve(['--dev']);
  });
  afterAll(() => dev?.program.dispose());

  it('prints its address, whom to sign in as, and that nothing lasts', async () => {
    await dev.program.until(() => dev.program.stdout.includes('Ctrl-C'), 'the greeting');
    const { stdout } = dev.program;
    expect(stdout).toContain(`${dev.url}/graphql`);
    for (const [name, password] of Object.entries(PASSWORDS))
      expect(stdout).toMatch(new RegExp(`${name} +${password} +${name.toUpperCase()}`));
    expect(stdout).toMatch(/in memory.*lost when this stops/);
  });

  it.each(Object.entries(PASSWORDS))(
    'signs %s in and shows a datacenter',
    async (name, password) => {
      const user = await dev.signIn(name, password);
      const { data, errors } = await user.answer(
        '{ viewer { role } virtualMachines { totalCount } server { mode persistent degraded } }',
      );
      expect(errors).toEqual([]);
      expect(data).toMatchObject({
        viewer: { role: name.toUpperCase() },
        server: { mode: 'DEV', persistent: false, degraded: [] },
      });
      const { virtualMachines } = data as unknown as { virtualMachines: { totalCount: number } };
      expect(virtualMachines.totalCount).toBeGreaterThan(3);
    },
  );

  it('is alive: the figures of its nodes move', async () => {
    const admin = await dev.signIn('admin', PASSWORDS.admin);
    const look = async () => {
      const { data } = await admin.answer(
        '{ hypervisorNodes(filter: { phase: { eq: READY } }) { nodes { lastHeartbeat } } }',
      );
      return JSON.stringify(data);
    };
    const before = await look();
    expect(before).toContain('lastHeartbeat');
    await until('another heartbeat', async () => (await look()) !== before);
  });

  it('writes nothing but JSON lines and the greeting, and nothing on standard error', () => {
    const { stdout, stderr } = dev.program;
    const [before = '', after = ''] = stdout.split(/\n {2}Quantix-vDC.*Ctrl-C\.\n/s);
    for (const line of [...before.split('\n'), ...after.split('\n')].filter(Boolean))
      expect(JSON.parse(line)).toMatchObject({
        level: expect.any(String),
        time: expect.any(String),
      });
    expect(stderr).toBe('');
  });

  it('serves GraphiQL', async () => {
    const response = await fetch(`${dev.url}/graphql`, { headers: { accept: 'text/html' } });
    expect(response.headers.get('content-type')).toContain('text/html');
    // Read to its end: a stopping server waits for whoever is still reading.
    expect(await response.text()).toContain('<html');
  });

  it('is ready at once, and measures what it does', async () => {
    expect(await readiness(dev.url)).toMatchObject({ status: 200, obstacles: [], degraded: [] });
    expect(await (await fetch(`${dev.url}/healthz`)).text()).toBe('ok\n');
    const admin = await dev.signIn('admin', PASSWORDS.admin);
    const stream = await openEventStream(
      dev.url,
      admin.token,
      'subscription { nodeMetrics { metrics { cpuPercent } } }',
    );
    await stream.event(0);
    await until('a subscriber', async () => (await subscribers(dev.url)) === 1);
    const now = await figures(dev.url);
    for (const name of [
      'quantix_graphql_request_seconds_count{type="mutation",field="login",outcome="ok"}',
      'quantix_sql_statement_seconds_count',
      'quantix_command_seconds_count{command="user.login",outcome="ok"}',
      'quantix_database_connections{state="total"}',
    ])
      expect([name, now.get(name) ?? 0]).toEqual([name, expect.toSatisfy((n) => n > 0)]);
    expect(now.has('quantix_nodejs_eventloop_lag_p99_seconds')).toBe(true);
    expect(now.get('quantix_process_resident_memory_bytes')).toBeGreaterThan(1e8);
    stream.hangUp();
    await until('no subscriber', async () => (await subscribers(dev.url)) === 0);
  });

  it('begins anew after a restart', async () => {
    const admin = await dev.signIn('admin', PASSWORDS.admin);
    const made = await admin.answer(
      'mutation { createCluster(input: { name: "mine" }) { __typename } }',
    );
    expect(made.data).toEqual({ createCluster: { __typename: 'CreateClusterPayload' } });
    expect(await dev.program.stop()).toEqual({ code: 0, signal: null });
    const again = await serve(['--dev']);
    try {
      const fresh = await again.signIn('admin', PASSWORDS.admin);
      const { data } = await fresh.answer('{ clusters { nodes { name } } }');
      expect(JSON.stringify(data)).toContain('production');
      expect(JSON.stringify(data)).not.toContain('mine');
    } finally {
      await again.program.dispose();
    }
  });
});

describe('the log', () => {
  const secret = 'correct horse battery';
  let served: Served;
  let jwtSecret: string;
  beforeAll(async () => {
    const installation = await install({
      log: { level: 'trace' },
      server: { trusted_proxies: ['127.0.0.0/8', '10.0.0.1'] },
    });
    ({ jwtSecret } = installation);
    await installation.createUser('ada', 'ADMIN');
    served = await installation.serve();
  });
  afterAll(() => served?.program.dispose());

  const post = (headers: Record<string, string> = {}, query = '{ server { version } }') =>
    fetch(`${served.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ query }),
    });
  const lineOf = (id: string): Promise<LogLine> =>
    served.program.logged('request', ({ requestId }) => requestId === id);

  it('has one line for each request, with its id, its time and how it ended', async () => {
    const response = await post({}, 'query Version { server { version } }');
    const id = response.headers.get('x-request-id') ?? '';
    expect(id).toMatch(/^[0-9a-f-]{36}$/);
    expect(await lineOf(id)).toMatchObject({
      ...{ level: 'info', transport: 'http', method: 'POST', path: '/graphql', status: 200 },
      ...{ operation: 'Version', type: 'query', field: 'server', outcome: 'ok' },
      ...{ viewer: null, ipAddress: '127.0.0.1', durationMs: expect.any(Number) },
    });
    await (await post({ 'x-request-id': 'the-one-after-it' })).text();
    await lineOf('the-one-after-it');
    expect(served.program.log.filter(({ requestId }) => requestId === id)).toHaveLength(1);
  });

  it.each(['trace-0123456789', 'A.b_c-9.8', '0'.repeat(63)])(
    'takes over the well-formed id %s of a caller',
    async (id) => {
      expect((await post({ 'x-request-id': id })).headers.get('x-request-id')).toBe(id);
      await lineOf(id);
    },
  );

  it.each(['short', '0'.repeat(64), 'with space in it', '{"level":"fatal"}', 'ünïcödé-id'])(
    'gives a new id in place of %j',
    async (id) => {
      const given = (await post({ 'x-request-id': id })).headers.get('x-request-id') ?? '';
      expect(given).toMatch(/^[0-9a-f-]{36}$/);
      await lineOf(given);
      expect(served.program.log.every(({ requestId }) => requestId !== id)).toBe(true);
    },
  );

  it.each([
    ['', '127.0.0.1'],
    ['203.0.113.7', '203.0.113.7'],
    ['198.51.100.1, 203.0.113.7', '203.0.113.7'],
    ['203.0.113.7, 10.0.0.1', '203.0.113.7'],
    ['203.0.113.7, somebody', '127.0.0.1'],
    ['2001:db8::1', '2001:db8::1'],
  ])('believes trusted proxies and nobody else: "%s" is %s', async (forwarded, client) => {
    const response = await post(forwarded ? { 'x-forwarded-for': forwarded } : {});
    expect(await lineOf(response.headers.get('x-request-id') ?? '')).toMatchObject({
      ipAddress: client,
    });
  });

  it('names what was refused, without a line of what monitoring asks', async () => {
    const response = await fetch(`${served.url}/nowhere`, {
      headers: { 'x-request-id': 'nowhere-1' },
    });
    expect(response.status).toBe(404);
    expect(await lineOf('nowhere-1')).toMatchObject({
      method: 'GET',
      path: '/nowhere',
      status: 404,
    });
    for (const path of ['/healthz', '/readyz', '/metrics']) await fetch(served.url + path);
    await (await post({ 'x-request-id': 'after-monitoring' })).text();
    await lineOf('after-monitoring');
    expect(served.program.log.some(({ path }) => path === '/healthz' || path === '/metrics')).toBe(
      false,
    );
  });

  it('never shows a secret, whatever its level', async () => {
    const ada = await served.signIn('ada', secret);
    const wrong =
      'mutation Wrong($p: String!) { login(input: { username: "ada", password: $p }) { __typename } }';
    await served.client().answer(wrong, { p: 'hunter2-hunter2' });
    await served
      .client()
      .answer(`mutation { login(input: { username: "ada", password: "hunter3" }) { __typename } }`);
    await served.client('forged.token.hunter4').answer('{ viewer { name } }');
    await fetch(`${served.url}/graphql?token=hunter5&query={server{version}}`, {
      headers: { cookie: '__Host-quantix_session=hunter6' },
    });
    const { data } = await ada.answer(
      `mutation { createCluster(input: { name: "one" }) { ... on CreateClusterPayload { cluster { id } } } }`,
    );
    const clusterId = (data as unknown as { createCluster: { cluster: { id: string } } })
      .createCluster.cluster.id;
    const node = await ada.answer(
      `mutation ($c: ID!) { registerHypervisorNode(input: { hostname: "n1", managementIp: "192.0.2.1", clusterId: $c }) { ... on RegisterHypervisorNodePayload { hypervisorNode { id } } } }`,
      { c: clusterId },
    );
    const nodeId = (
      node.data as unknown as { registerHypervisorNode: { hypervisorNode: { id: string } } }
    ).registerHypervisorNode.hypervisorNode.id;
    const issued = await ada.answer(
      `mutation ($n: ID!) { issueAgentToken(input: { nodeId: $n }) { ... on IssueAgentTokenPayload { token } } }`,
      { n: nodeId },
    );
    const { token } = (issued.data as unknown as { issueAgentToken: { token: string } })
      .issueAgentToken;
    expect(token).toMatch(/^\S{20,}$/);
    await served.client(token).answer('{ viewer { name } }');
    expect((await served.program.stop()).code).toBe(0);

    const { stdout, stderr } = served.program;
    expect(stdout).toContain('"password":"***"'); // of the configuration, at this level
    const secrets = [
      secret,
      'hunter',
      ada.token ?? 'none',
      token,
      sharedPostgres().password,
      jwtSecret,
    ];
    for (const text of secrets) expect(stdout + stderr).not.toContain(text);
  });
});
