// A real, certified OpenID provider (npm oidc-provider) with a company in it, for tests: authorization code
// with PKCE, device flow, refresh with rotation, client credentials, several keys, key rotation. Loopback only.
//
// It differs from a production provider in one thing: whoever is set by `POST /control?user=NAME` is logged in
// without a password. Usage: node provider.mjs PORT GATEWAY_URL, in a folder with node_modules/oidc-provider.
import { createServer } from 'node:http';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const require = createRequire(`${process.cwd()}/`);
const { default: Provider } = await import(pathToFileURL(require.resolve('oidc-provider')));

const [port, gateway] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;
const people = {
  ana: { groups: ['engineers'], email: 'ana@example.com', email_verified: true },
  bea: { groups: ['dba', 'engineers'], email: 'bea@example.com', email_verified: true },
  cleo: { groups: ['audit', 'sre'], email: 'cleo@example.com', email_verified: true },
  mallory: { groups: ['engineers'], email: 'ana@example.com', email_verified: false },
};
let user = 'ana';
let locked = new Set();
// Groups of the agent `report-bot`, in its access token.
let agents = [];

const key = () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwk = privateKey.export({ format: 'jwk' });
  const kid = createHash('sha256').update(jwk.x).digest('base64url').slice(0, 12);
  return { ...jwk, kid, use: 'sig', alg: 'ES256' };
};
let keys = [key()];

// Shared by the providers before and after a rotation.
const store = new Map();
const grants = new Map();
class Memory {
  constructor(name) { this.name = name; }
  id(id) { return `${this.name}:${id}`; }
  async upsert(id, payload, expiresIn) {
    const until = expiresIn ? Date.now() + expiresIn * 1000 : Infinity;
    store.set(this.id(id), { payload, until });
    if (payload.grantId) {
      grants.set(payload.grantId, [...(grants.get(payload.grantId) ?? []), this.id(id)]);
    }
  }
  async find(id) {
    const found = store.get(this.id(id));
    return found && found.until > Date.now() ? found.payload : undefined;
  }
  by(field, value) {
    for (const [id, { payload, until }] of store) {
      if (id.startsWith(`${this.name}:`) && payload[field] === value && until > Date.now()) return payload;
    }
    return undefined;
  }
  async findByUserCode(code) { return this.by('userCode', code); }
  async findByUid(uid) { return this.by('uid', uid); }
  async consume(id) { store.get(this.id(id)).payload.consumed = Math.floor(Date.now() / 1000); }
  async destroy(id) { store.delete(this.id(id)); }
  async revokeByGrantId(grantId) { for (const id of grants.get(grantId) ?? []) store.delete(id); }
}

const configuration = () => ({
  adapter: Memory,
  jwks: { keys },
  cookies: { keys: ['test'] },
  clients: [
    {
      client_id: 'portcullis',
      client_secret: 'a-secret-of-tests-that-is-long-enough',
      redirect_uris: [`${gateway}/v1/login/callback`],
      grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
      response_types: ['code'],
      id_token_signed_response_alg: 'ES256',
    },
    {
      client_id: 'report-bot',
      client_secret: 'another-secret-of-tests-long-enough',
      redirect_uris: [],
      response_types: [],
      grant_types: ['client_credentials'],
      id_token_signed_response_alg: 'ES256',
    },
  ],
  extraTokenClaims: async (ctx, token) => (token.kind === 'ClientCredentials' ? { groups: agents } : undefined),
  claims: { openid: ['sub', 'groups'], email: ['email', 'email_verified'], profile: ['name'] },
  conformIdTokenClaims: false,
  rotateRefreshToken: true,
  issueRefreshToken: async (ctx, client, code) => client.grantTypeAllowed('refresh_token'),
  pkce: { required: () => true },
  features: {
    devInteractions: { enabled: false },
    deviceFlow: { enabled: true },
    clientCredentials: { enabled: true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: async (ctx, client) => (client?.clientId === 'report-bot' ? 'urn:portcullis' : undefined),
      getResourceServerInfo: async () => ({
        scope: '', audience: 'portcullis', accessTokenFormat: 'jwt', accessTokenTTL: 600,
        jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
  interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
  findAccount: async (ctx, id) => {
    if (locked.has(id) || !people[id]) return undefined;
    return { accountId: id, claims: async () => ({ sub: id, name: id, ...people[id] }) };
  },
  ttl: { IdToken: 300, AccessToken: 300, RefreshToken: 3600, DeviceCode: 300, Grant: 3600, Session: 3600, Interaction: 600 },
});

const made = () => new Provider(issuer, configuration());
let provider = made();

async function interaction(request, response) {
  const { prompt, params, session, grantId } = await provider.interactionDetails(request, response);
  if (prompt.name === 'login') {
    return provider.interactionFinished(request, response, { login: { accountId: user } });
  }
  const grant = grantId
    ? await provider.Grant.find(grantId)
    : new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope('openid email profile offline_access');
  grant.addOIDCClaims(['groups']);
  return provider.interactionFinished(request, response, { consent: { grantId: await grant.save() } }, { mergeWithLastSubmission: true });
}

function control(url, response) {
  const asked = url.searchParams;
  if (asked.get('user')) user = asked.get('user');
  if (asked.get('groups') !== null) people[user].groups = asked.get('groups').split(',').filter(Boolean);
  if (asked.get('agents') !== null) agents = asked.get('agents').split(',').filter(Boolean);
  if (asked.get('lock')) locked.add(asked.get('lock'));
  if (asked.get('unlock')) locked.delete(asked.get('unlock'));
  if (asked.get('rotate')) {
    keys = asked.get('rotate') === 'hard' ? [key()] : [key(), keys[0]];
    provider = made();
  }
  response.end('ok\n');
}

const server = createServer((request, response) => {
  const url = new URL(request.url, issuer);
  if (request.method === 'POST' && url.pathname === '/control') return control(url, response);
  if (url.pathname.startsWith('/interaction/')) {
    return interaction(request, response).catch((error) => { response.statusCode = 400; response.end(`${error}\n`); });
  }
  return provider.callback()(request, response);
});
const listen = () => server.listen(Number(port), '127.0.0.1');
// Down and up again, with all that it knows: nobody is answered in between.
// With no listener nothing else would keep the process.
setInterval(() => {}, 1 << 30);
process.on('SIGUSR2', () => {
  if (!server.listening) return listen();
  server.close();
  server.closeAllConnections();
});
listen();
