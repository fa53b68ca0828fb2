// Options of Fastify and of its command line that come along with ours where a loader registers the plugin.

/**
 * `register` has three of its own; @fastify/autoload hands each plugin what it was given itself, which in an
 * application made by fastify-cli are the options of the server. None of them is an option of ours.
 */
const fastifys = new Set([
  'prefix', 'logLevel', 'logSerializers', 'skipOverride',
  'ajv', 'allowErrorHandlerOverride', 'allowUnsafeRegex', 'bodyLimit', 'caseSensitive', 'clientErrorHandler',
  'connectionTimeout', 'constraints', 'disableRequestLogging', 'exposeHeadRoutes', 'forceCloseConnections',
  'frameworkErrors', 'genReqId', 'handlerTimeout', 'http', 'http2', 'http2SessionTimeout', 'https',
  'ignoreDuplicateSlashes', 'ignoreTrailingSlash', 'keepAliveTimeout', 'logController', 'logger', 'loggerInstance',
  'maxParamLength', 'maxRequestsPerSocket', 'onConstructorPoisoning', 'onProtoPoisoning', 'pluginTimeout',
  'querystringParser', 'requestIdHeader', 'requestIdLogLabel', 'requestTimeout', 'return503OnClosing', 'rewriteUrl',
  'routerOptions', 'serializerOpts', 'serverFactory', 'trustProxy', 'useSemicolonDelimiter'
])

/** The options that are meant for this plugin; a wrong name among them is still found. */
export function withoutFastifys<Options extends object> (options: Options): Options {
  return Object.fromEntries(Object.entries(options).filter(([name]) => !fastifys.has(name))) as Options
}
