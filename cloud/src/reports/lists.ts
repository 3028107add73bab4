/** As the CHECK of rtls.alert_rule.kind. */
export const RULE_KINDS = ['sensor_limit', 'missing'] as const

/** As the CHECK of rtls.alert_rule.severity, the gravest last. */
export const SEVERITIES = ['info', 'warning', 'critical', 'emergency'] as const

/** As the CHECK of rtls.alert_rule.sensor: what a limit can be set for. */
export const LIMIT_SENSORS = ['temperature', 'humidity'] as const
