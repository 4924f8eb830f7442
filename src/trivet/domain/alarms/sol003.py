"""Alarms in the words of ETSI NFV-SOL003, clause 7: what a VNF manager shows those who orchestrate."""

from typing import Any

from trivet.clock import iso
from trivet.domain.alarms.deliveries import Delivery
from trivet.domain.alarms.subscriptions import Subscription

_RESOURCES = {"server": "COMPUTE", "host": "COMPUTE", "volume": "STORAGE", "port": "NETWORK", "nic": "NETWORK",
              "cloud": "COMPUTE", "engine": "COMPUTE", "chassis": "NETWORK", "network": "NETWORK", "switch": "NETWORK",
              "storage": "STORAGE", "feed": "COMPUTE"}  # fmt: skip


def alarm(said: dict[str, Any], correlated: list[str], url: str) -> dict[str, Any]:
    thing = said["managed_object"]
    root = {
        "faultyResource": {
            "vimConnectionId": "trivet",
            "resourceId": thing["id"],
            "vimLevelResourceType": thing["type"],
        },
        "faultyResourceType": _RESOURCES[thing["type"]],
    }
    found: dict[str, Any] = {
        "id": said["id"],
        "managedObjectId": thing["id"],
        "rootCauseFaultyResource": root,
        "alarmRaisedTime": iso(said["alarm_raised_time"]),
        "alarmChangedTime": iso(said["alarm_changed_time"]),
        "ackState": said["ack_state"],
        "perceivedSeverity": said["perceived_severity"],
        "eventTime": iso(said["alarm_changed_time"]),
        "eventType": said["event_type"],
        "probableCause": said["probable_cause"],
        "isRootCause": said["is_root_cause"],
        "correlatedAlarmIds": correlated,
        "faultDetails": [said["fault_details"]] if said["fault_details"] else [],
        "_links": {"self": {"href": f"{url}/vnffm/v1/alarms/{said['id']}"}},
    }
    if said["alarm_cleared_time"] is not None:
        found["alarmClearedTime"] = iso(said["alarm_cleared_time"])
    return found


def notification(said: dict[str, Any], delivery: Delivery, subscription: Subscription, url: str) -> dict[str, Any]:
    links = {"subscription": {"href": f"{url}/vnffm/v1/subscriptions/{subscription.id}"}}
    told: dict[str, Any] = {
        "id": delivery.id,
        "subscriptionId": subscription.id,
        "timeStamp": iso(delivery.created_at),
        "_links": links,
    }
    if delivery.event == "cleared":
        links["alarm"] = {"href": f"{url}/vnffm/v1/alarms/{said['id']}"}
        cleared = {"alarmId": said["id"], "alarmClearedTime": iso(said["alarm_cleared_time"])}
        return told | {"notificationType": "AlarmClearedNotification"} | cleared
    root = said["root_alarm_id"]
    body = alarm(said, [root] if root is not None else [], url)
    return told | {"notificationType": "AlarmNotification", "alarm": body}


def filter_of(subscription: Subscription) -> dict[str, Any]:
    said = subscription.filter
    found: dict[str, Any] = {}
    if said.severities:
        found["perceivedSeverities"] = said.severities
    if said.event_types:
        found["eventTypes"] = said.event_types
    return found
