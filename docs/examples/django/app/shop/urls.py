"""Which view answers at which path."""

from django.urls import path

from shop import views

urlpatterns = [path("orders/", views.orders), path("health/", views.health)]
