// Options of Fastify and of its command line that come along with ours where a loader registers the plugin.
import type { Server } from 'node:http'
import type { Http2SecureServer } from 'node:http2'
import type { FastifyHttp2SecureOptions, FastifyHttpOptions } from 'fastify'

type ServerOption = keyof FastifyHttpOptions<Server> | keyof FastifyHttp2SecureOptions<Http2SecureServer>

/**
 * `register` has three of its own; @fastify/autoload hands each plugin what it was given itself, which in an
 * application made by fastify-cli are the options of the server. None of them is an option of ours. The compiler finds
 * the one that is missing here.
 */
const fastifys: Readonly<Record<ServerOption | 'prefix' | 'logLevel' | 'logSerializers' | 'skipOverride', true>> = {
  prefix: true,
  logLevel: true,
  logSerializers: true,
  skipOverride: true,
  ajv: true,
  allowErrorHandlerOverride: true,
  allowUnsafeRegex: true,
  bodyLimit: true,
  caseSensitive: true,
  childLoggerFactory: true,
  clientErrorHandler: true,
  connectionTimeout: true,
  constraints: true,
  disableRequestLogging: true,
  exposeHeadRoutes: true,
  forceCloseConnections: true,
  frameworkErrors: true,
  genReqId: true,
  handlerTimeout: true,
  http: true,
  http2: true,
  http2SessionTimeout: true,
  https: true,
  ignoreDuplicateSlashes: true,
  ignoreTrailingSlash: true,
  keepAliveTimeout: true,
  logController: true,
  logger: true,
  loggerInstance: true,
  maxParamLength: true,
  maxRequestsPerSocket: true,
  onConstructorPoisoning: true,
  onProtoPoisoning: true,
  pluginTimeout: true,
  querystringParser: true,
  requestIdHeader: true,
  requestIdLogLabel: true,
  requestTimeout: true,
  return503OnClosing: true,
  rewriteUrl: true,
  routerOptions: true,
  schemaController: true,
  schemaErrorFormatter: true,
  serializerOpts: true,
  serverFactory: true,
  trustProxy: true,
  useSemicolonDelimiter: true
}

/** The options that are meant for this plugin; a wrong name among them is still found. */
export function withoutFastifys<Options extends object> (options: Options): Options {
  return Object.fromEntries(Object.entries(options).filter(([name]) => !Object.hasOwn(fastifys, name))) as Options
}
