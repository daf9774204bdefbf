// A browser without a screen: follows redirects, keeps cookies, presses the one button of the device page.
// Usage: node browser.mjs URL, with NODE_EXTRA_CA_CERTS for the gateway's authority. Prints the last page.
const jar = new Map();
let [url] = process.argv.slice(2);
let options = {};
for (let step = 0; step < 20; step += 1) {
  const host = new URL(url).host;
  const cookies = [...(jar.get(host) ?? new Map())].map(([name, value]) => `${name}=${value}`).join('; ');
  const answer = await fetch(url, { ...options, redirect: 'manual', headers: { ...options.headers, cookie: cookies } });
  for (const line of answer.headers.getSetCookie()) {
    const [pair] = line.split(';');
    const at = pair.indexOf('=');
    if (!jar.has(host)) jar.set(host, new Map());
    jar.get(host).set(pair.slice(0, at), pair.slice(at + 1));
  }
  options = {};
  const to = answer.headers.get('location');
  if (to) { url = new URL(to, url).href; continue; }
  const page = await answer.text();
  const xsrf = /name="xsrf" value="([^"]+)"/.exec(page);
  const action = /<form[^>]*action="([^"]+)"/.exec(page);
  const code = /name="user_code" value="([^"]+)"/.exec(page);
  if (xsrf && action && code) {
    url = new URL(action[1], url).href;
    options = {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ xsrf: xsrf[1], user_code: code[1], confirm: 'yes' }).toString(),
    };
    continue;
  }
  console.log(`${answer.status} ${url.split('?')[0]}\n${page.replace(/<[^>]+>/g, ' ').trim()}`);
  process.exit(answer.ok ? 0 : 1);
}
console.log('too many redirects');
process.exit(1);
